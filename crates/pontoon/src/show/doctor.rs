//! The ways to containers as a person reads them: the layers of each way that is not open, one line for the others.

use pontoon_core::path::{Finding, Layer, Path};

use super::style::{Style, printable};
use crate::verbs::doctor::Diagnosis;

/// All ways, and the verdict; ends with a newline.
pub(crate) fn text(diagnosis: &Diagnosis<'_>, style: Style) -> String {
    let simulated = if diagnosis.simulated { " (simulated, on this machine)" } else { "" };
    let mut out =
        format!("Stack {} on cloud {}{simulated}\n", style.bold(diagnosis.stack), style.bold(diagnosis.cloud));
    let is_only = diagnosis.paths.len() == 1;
    let (lost, open): (Vec<&Path>, Vec<&Path>) = diagnosis.paths.iter().partition(|path| path.culprit().is_some());
    out.extend(
        open.iter()
            .map(|path| if is_only { whole(path, style) } else { format!("{} {}\n", style.green("✓"), heading(path)) }),
    );
    out.extend(lost.iter().map(|path| whole(path, style)));
    let last = match (lost.len(), diagnosis.paths.len()) {
        (_, 0) => "there is no container that packets could go to".to_owned(),
        (0, _) => "packets get through".to_owned(),
        (lost, all) => format!("packets get lost on {lost} of {all} ways"),
    };
    out += &format!("\n{}\n", if lost.is_empty() { style.green(&last) } else { style.red(&last) });
    out
}

fn heading(path: &Path) -> String {
    match &path.balancer {
        Some(balancer) => format!("from a visitor of balancer {balancer} to {}", path.container),
        None => format!("from its own subnet to {}", path.container),
    }
}

fn whole(path: &Path, style: Style) -> String {
    let width = path.layers.iter().map(|layer| layer.name.chars().count()).max().unwrap_or(0);
    let line = |layer: &Layer| {
        let mark = match layer.finding {
            Finding::Passes | Finding::Vouches => style.green("✓"),
            Finding::Drops => style.red("✗"),
            Finding::Complains => style.yellow("!"),
            Finding::Unknown => style.yellow("?"),
        };
        let says = printable(&layer.says).replace('\n', " ");
        format!("  {mark} {:width$}  {says}\n", printable(&layer.name))
    };
    let mut out = format!("\n{}\n", style.bold(&heading(path)));
    out.extend(path.layers.iter().map(line));
    if let Some(culprit) = path.culprit() {
        out += &format!("  {}\n", style.red(&format!("lost at {}", printable(&culprit.name))));
        out.extend(culprit.hint.iter().map(|hint| format!("  hint: {}\n", printable(hint))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, finding: Finding, hint: Option<&str>) -> Layer {
        Layer { name: name.to_owned(), finding, says: "so".to_owned(), hint: hint.map(str::to_owned) }
    }

    fn path(container: &str, layers: Vec<Layer>) -> Path {
        Path { balancer: Some("web".to_owned()), service: "hugo".to_owned(), container: container.to_owned(), layers }
    }

    #[test]
    fn only_ways_that_are_not_open_are_told_layer_by_layer() {
        let open = path("hugo-0", vec![layer("router", Finding::Passes, None)]);
        let closed = vec![
            layer("router", Finding::Passes, None),
            layer("members/web", Finding::Complains, Some("wait")),
            layer("pairs/lxd0", Finding::Drops, Some("`pontoon up` mends it")),
        ];
        let paths = vec![path("hugo-1", closed), open];
        let diagnosis = Diagnosis { stack: "blog", cloud: "mine", simulated: false, paths };
        let expected = "\
Stack blog on cloud mine
✓ from a visitor of balancer web to hugo-0

from a visitor of balancer web to hugo-1
  ✓ router       so
  ! members/web  so
  ✗ pairs/lxd0   so
  lost at pairs/lxd0
  hint: `pontoon up` mends it

packets get lost on 1 of 2 ways
";
        assert_eq!(text(&diagnosis, Style::PLAIN), expected);
    }
}
