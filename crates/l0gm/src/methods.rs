//! `methods`: lists every method that `--method` takes, and installs the tools that some of them call.

pub(crate) mod install;

use crate::flags::{FormatFlag, MethodsAction, MethodsFlags};
use crate::{modalities, names};
use anyhow::Context;
use l0gm_train::MethodInfo;
use std::io::Write;
use std::process::ExitCode;

/// Prints the list, or installs the tools.
///
/// # Errors
/// Fails for an unknown modality, if standard output cannot be written, or if a tool cannot be installed.
pub fn run(flags: &MethodsFlags) -> anyhow::Result<ExitCode> {
    if let Some(MethodsAction::Install) = flags.action {
        return install::run();
    }
    let known = modalities::NAMES.map(str::to_owned);
    for name in &flags.modality {
        names::check("--modality", name, &known)?;
    }
    let asked = |name: &str| flags.modality.is_empty() || flags.modality.iter().any(|n| n == name);
    let mut listed = modalities::methods().to_vec();
    listed.retain(|(modality, _)| asked(modality));
    let text = match flags.format {
        FormatFlag::Text => as_text(&listed),
        FormatFlag::Json => {
            let by_modality: serde_json::Map<_, _> = listed
                .into_iter()
                .map(|(modality, infos)| Ok((modality.to_owned(), serde_json::to_value(infos)?)))
                .collect::<serde_json::Result<_>>()?;
            serde_json::to_string_pretty(&by_modality)? + "\n"
        }
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the list could not be written")?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(listed: &[(&str, Vec<MethodInfo>)]) -> String {
    let names = listed.iter().flat_map(|(_, infos)| infos);
    let width = names.map(|info| info.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (modality, infos) in listed {
        text += &format!("{modality}\n");
        for info in infos {
            let row = match &info.rival_of {
                Some(row) => format!(", the paper's {row}"),
                None => String::new(),
            };
            text += &format!(
                "  {:width$}  {}{row}; {}; {}; needs {}\n",
                info.name,
                info.role.name(),
                info.summary,
                info.source,
                info.needs.as_deref().unwrap_or("nothing"),
            );
        }
    }
    text + "\nWithout --method a plan holds the backbone, L0GM, its variant and the baselines; rivals are asked for by name.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modality_lists_each_of_its_methods_once() {
        for (modality, infos) in modalities::methods() {
            let mut names: Vec<&str> = infos.iter().map(|info| &*info.name).collect();
            let listed = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), listed, "{modality}");
            assert_eq!(infos.iter().filter(|info| info.is_subject()).count(), 1);
            assert_eq!(infos.iter().filter(|info| info.is_backbone()).count(), 1);
            for info in infos {
                assert!(
                    !info.summary.is_empty() && !info.source.is_empty(),
                    "{}",
                    info.name
                );
                assert!(!info.summary.contains('\n'), "{}: one line", info.name);
            }
        }
    }

    #[test]
    fn the_list_says_what_a_method_is_and_what_it_needs() {
        let text = as_text(&modalities::methods());
        assert!(
            text.contains("tabular\n") && text.contains("needs nothing"),
            "{text}"
        );
    }
}
