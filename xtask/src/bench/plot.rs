//! Bar charts as SVG: a group of bars for each scenario, one bar for each broker, shorter or longer by what is measured.

use std::fmt::Write;

/// One group of bars.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// What stands beside it.
    pub(super) label: String,
    /// The value of Sabir.
    pub(super) ours: f64,
    /// The value of the peer.
    pub(super) peer: f64,
}

/// A chart.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// Its title.
    pub(super) title: &'a str,
    /// What values are counted in.
    pub(super) unit: &'a str,
    /// Name of the peer in the legend.
    pub(super) peer: &'a str,
    /// Its groups, from the top.
    pub(super) groups: &'a [Group],
}

const WIDTH: f64 = 760.0;
const LABELS_WIDTH: f64 = 230.0;
const VALUES_WIDTH: f64 = 110.0;
const TOP: f64 = 64.0;
const BAR_HEIGHT: f64 = 16.0;
const GROUP_HEIGHT: f64 = 48.0;
const OURS_COLOUR: &str = "#0b7285";
const PEER_COLOUR: &str = "#e8590c";

impl Chart<'_> {
    /// The chart as an SVG document. Each group has a scale of its own, because scenarios differ by orders of magnitude.
    pub(super) fn svg(&self) -> String {
        let height = TOP + GROUP_HEIGHT * self.groups.len() as f64;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} \
             {height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"#ffffff\"/>\n<text x=\"12\" y=\"24\" font-size=\"16\">{} ({})</text>\n",
            escaped(self.title),
            escaped(self.unit)
        );
        text.push_str(&legend(12.0, "Sabir", OURS_COLOUR));
        text.push_str(&legend(100.0, self.peer, PEER_COLOUR));
        for (index, group) in self.groups.iter().enumerate() {
            text.push_str(&bars(group, TOP + GROUP_HEIGHT * index as f64));
        }
        text.push_str("</svg>\n");
        text
    }
}

fn legend(x: f64, name: &str, colour: &str) -> String {
    let text_x = x + 16.0;
    format!(
        "<rect x=\"{x}\" y=\"36\" width=\"11\" height=\"11\" fill=\"{colour}\"/>\n<text x=\"{text_x}\" \
         y=\"46\">{}</text>\n",
        escaped(name)
    )
}

fn bars(group: &Group, y: f64) -> String {
    let longest = group.ours.max(group.peer).max(f64::MIN_POSITIVE);
    let room = WIDTH - LABELS_WIDTH - VALUES_WIDTH;
    let mut text = format!(
        "<text x=\"12\" y=\"{}\">{}</text>\n",
        y + BAR_HEIGHT + 4.0,
        escaped(&group.label)
    );
    let values = [(group.ours, OURS_COLOUR), (group.peer, PEER_COLOUR)];
    for (index, (value, colour)) in values.into_iter().enumerate() {
        let top = y + index as f64 * (BAR_HEIGHT + 2.0);
        let width = (value / longest * room).max(1.0);
        // Writing to a string does not fail.
        let _: std::fmt::Result = write!(
            text,
            "<rect x=\"{LABELS_WIDTH}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" \
             fill=\"{colour}\"/>\n<text x=\"{:.1}\" y=\"{}\">{}</text>\n",
            LABELS_WIDTH + width + 6.0,
            top + 13.0,
            number(value)
        );
    }
    text
}

/// A number as people read it: three digits that matter, thousands apart.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => thousands(value.round() as i64),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_a_document_with_a_bar_for_each_broker() {
        let chart = Chart {
            title: "CPU < memory",
            unit: "µs",
            peer: "RabbitMQ",
            groups: &[Group {
                label: "S1".to_owned(),
                ours: 1.0,
                peer: 4.0,
            }],
        };
        let svg = chart.svg();
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        let bars = document
            .descendants()
            .filter(|node| node.attribute("height") == Some("16"));
        let widths: Vec<&str> = bars.filter_map(|node| node.attribute("width")).collect();
        assert_eq!(widths, ["105.0", "420.0"]);
    }

    #[test]
    fn numbers_are_short_and_thousands_stand_apart() {
        assert_eq!(number(1_234_567.8), "1 234 568");
        assert_eq!(number(999.6), "1 000");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.123), "0.12");
        assert_eq!(number(0.0), "0");
    }
}
