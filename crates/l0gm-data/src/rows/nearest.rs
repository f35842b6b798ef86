//! Finds the known name that a user probably meant by an unknown one, by the rule that holds for settings and
//! datasets too.

/// The known name nearest to `name`, if it is near enough to be a typing error. Case is ignored.
pub(super) fn nearest_name<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::normalized_damerau_levenshtein(&name, &candidate.to_lowercase());
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness >= 0.4)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest_name;

    #[test]
    fn a_slip_finds_what_was_meant_and_a_longer_word_that_begins_alike_does_not() {
        let known = ["income", "age"];
        assert_eq!(nearest_name("incmoe", known), Some("income"));
        assert_eq!(nearest_name("AGE", known), Some("age"));
        assert_eq!(nearest_name("agricultural_area", known), None);
    }
}
