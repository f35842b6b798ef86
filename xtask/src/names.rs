//! Names typed by people: the nearest known one where a name is unknown.

use crate::usage::usage;

/// The known name nearest to `name`, where one is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_str())
}

/// `Ok` if `name` is known; else a usage error that names `what`, the nearest name and all of them.
pub(crate) fn check(what: &str, name: &str, known: &[String]) -> anyhow::Result<()> {
    if known.iter().any(|candidate| candidate == name) {
        return Ok(());
    }
    let hint = match nearest(name, known) {
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
