//! The sections that every listener shares the process with: what is kept, limited and written
//! to the log.

use super::choice::{Automatic, DataDirectory, DurabilityClass, LogFormat, LogLevel};
use super::listen::Listen;
use super::section::section;
use super::units::{ByteSize, TimeSpan};

section! {
    /// Local administration over HTTP: the `sabir` command talks to it.
    Admin {
        /// Where the administration API listens.
        listen: Listen = Listen::loopback(15672);
        /// Longest request body that is accepted.
        request_bytes_max: ByteSize = ByteSize::mib(32), in ByteSize::kib(64) => ByteSize::gib(1);
        /// How long one request may take.
        request_timeout: TimeSpan = TimeSpan::seconds(30),
            in TimeSpan::seconds(1) => TimeSpan::seconds(600);
    }
}

section! {
    /// Where the broker keeps its data.
    Data {
        /// Directory of the journal, the extents and the catalog. It is created with mode 0700 and
        /// belongs to one broker at a time. `auto` is `$XDG_STATE_HOME/sabir`, or
        /// `~/.local/state/sabir` where that variable is not set; the systemd unit and the
        /// container image use `/var/lib/sabir`.
        directory: DataDirectory = DataDirectory::Automatic;
    }
}

section! {
    /// How messages are kept.
    Storage {
        /// When a message counts as safe and is confirmed: `fsync` after the disk has it, `os`
        /// after the operating system has it, which loses the last moments on a power cut.
        durability: DurabilityClass = DurabilityClass::Fsync;
        /// Size of one journal file. Files are filled with zeros once and used again. `auto` is a
        /// thirty-second part of the memory that the process may use, from 4 MiB to 16 MiB.
        journal_file_bytes: Automatic<ByteSize> = Automatic::DERIVED,
            in Automatic::Exactly(ByteSize::mib(1)) => Automatic::Exactly(ByteSize::gib(1));
        /// Messages that wait in memory to be moved to disk, which happens when two journal files
        /// or half of this are full; beyond it and one message of the largest size publishers
        /// wait. `auto` is eight journal files, and fewer than three are refused.
        memtable_bytes_max: Automatic<ByteSize> = Automatic::DERIVED,
            in Automatic::Exactly(ByteSize::mib(4)) => Automatic::Exactly(ByteSize::gib(64));
        /// Publishers are blocked when less than this is free on the disk. The larger of this and
        /// `free_disk_fraction_min` holds.
        free_disk_bytes_min: ByteSize = ByteSize::mib(512), in ByteSize::mib(16) => ByteSize::gib(4096);
        /// Publishers are blocked when less than this part of the disk is free.
        free_disk_fraction_min: f64 = 0.0, in 0.0 => 0.9;
    }
}

section! {
    /// What clients may take at most.
    Limits {
        /// Largest message body.
        message_bytes_max: ByteSize = ByteSize::mib(128), in ByteSize::kib(4) => ByteSize::gib(1);
        /// Connections at a time, over all listeners. `auto` is 80 % of the file descriptors that
        /// the process may open.
        connections_max: Automatic<u32> = Automatic::DERIVED,
            in Automatic::Exactly(1) => Automatic::Exactly(10_000_000);
        /// Connections at a time from one address. `auto` is no limit of its own.
        connections_per_address_max: Automatic<u32> = Automatic::DERIVED,
            in Automatic::Exactly(1) => Automatic::Exactly(10_000_000);
        /// How long a client may take from connecting to being authenticated.
        handshake_timeout: TimeSpan = TimeSpan::seconds(10),
            in TimeSpan::seconds(1) => TimeSpan::seconds(120);
        /// Largest frame before a client is authenticated.
        unauthenticated_frame_bytes_max: ByteSize = ByteSize::kib(4),
            in ByteSize::kib(4) => ByteSize::kib(64);
        /// Messages on their way to one connection that its socket has not taken yet; beyond it the
        /// connection gets no more.
        connection_window_bytes: ByteSize = ByteSize::mib(1), in ByteSize::kib(64) => ByteSize::gib(1);
        /// Queues in all namespaces.
        queues_max: u32 = 1_000_000, in 1 => 100_000_000;
        /// Publishers are blocked when the process uses more than this part of the memory that the
        /// machine or its control group has.
        memory_fraction_max: f64 = 0.6, in 0.1 => 0.95;
    }
}

section! {
    /// What the broker writes to standard error.
    Log {
        /// `text` for people, `json` for one object per line.
        format: LogFormat = LogFormat::Text;
        /// `error`, `warn`, `info`, `debug`, `trace` or `off`, with exceptions by module if wanted:
        /// `info,sabir_transport=debug`.
        level: LogLevel = LogLevel("info".to_owned());
    }
}

section! {
    /// How the process ends.
    Shutdown {
        /// How long clients have, after SIGTERM or SIGINT, to close in good order.
        drain_timeout: TimeSpan = TimeSpan::seconds(8),
            in TimeSpan::milliseconds(100) => TimeSpan::seconds(600);
    }
}
