//! `sabir completions` and `sabir man`: derived from the definitions of the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::error::CliError;
use super::output::print;

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(command: &Completions) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "sabir", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// One page for the whole command line: `sabir` first, then every command below it.
pub(super) fn man_page() -> Result<(), CliError> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(CliError::Output)?;
    for noun in command.get_subcommands() {
        for verb in std::iter::once(noun).chain(noun.get_subcommands()) {
            let name = verb
                .get_display_name()
                .unwrap_or(verb.get_name())
                .replace('-', " ");
            page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
            let man = clap_mangen::Man::new(verb.clone());
            man.render_synopsis_section(&mut page)
                .map_err(CliError::Output)?;
            man.render_description_section(&mut page)
                .map_err(CliError::Output)?;
            man.render_options_section(&mut page)
                .map_err(CliError::Output)?;
        }
    }
    print(&String::from_utf8_lossy(&page))
}
