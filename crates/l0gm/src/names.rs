//! Checks names that people type, and suggests the nearest known name.

use crate::usage::usage;
use l0gm_train::nearest_name;

/// Fails with a usage error if `name` is unknown. The error names `what` was expected, the nearest known name and all
/// of them.
pub fn check(what: &str, name: &str, known: &[String]) -> anyhow::Result<()> {
    if known.iter().any(|candidate| candidate == name) {
        return Ok(());
    }
    let hint = match nearest_name(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? "),
        None => String::new(),
    };
    Err(usage(format!(
        "{what}: `{name}` is not known; {hint}known: {}",
        known.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn a_slip_names_the_nearest_and_nonsense_names_all() {
        let known = ["tabular", "text", "graph"].map(str::to_owned);
        let error = super::check("--modality", "tabluar", &known).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `tabular`?"),
            "{error}"
        );
        let error = super::check("--modality", "xyzzyxyzzy", &known).unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
        assert!(
            error.to_string().contains("tabular, text, graph"),
            "{error}"
        );
        assert!(super::check("--modality", "text", &known).is_ok());
    }
}
