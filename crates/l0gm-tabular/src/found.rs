//! How two settings are written that are found from the file unless a user gives them. Runs from before a user could
//! give every value have `separator = ","` and `missing = ["?"]` in their settings for "find it". They are still
//! written so, because a run's identity depends on it. The values themselves get another spelling with the same meaning.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `data.separator`: `","` where it is found, `"comma"` for a comma, otherwise the character.
pub(crate) mod separator {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error;

    const FOUND: &str = ",";
    const COMMA: &str = "comma";

    pub(crate) fn serialize<S: Serializer>(value: &Option<char>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            None => to.serialize_str(FOUND),
            Some(',') => to.serialize_str(COMMA),
            Some(other) => to.serialize_char(*other),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<char>, D::Error> {
        let text = String::deserialize(from)?;
        let mut characters = text.chars();
        match (text.as_str(), characters.next(), characters.next()) {
            (FOUND, ..) => Ok(None),
            (COMMA, ..) => Ok(Some(',')),
            (_, Some(one), None) => Ok(Some(one)),
            _ => Err(D::Error::custom(format!(
                "expected one character or \"{COMMA}\", not {text:?}"
            ))),
        }
    }
}

/// `data.missing`: `["?"]` for the whole list, `["", "?"]` for the question mark alone (the empty cell is always
/// missing), otherwise the words.
pub(crate) mod missing {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    const FOUND: [&str; 1] = ["?"];
    const MARK_ALONE: [&str; 2] = ["", "?"];

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Vec<String>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            None => FOUND.serialize(to),
            Some(words) if *words == FOUND => MARK_ALONE.serialize(to),
            Some(words) => words.serialize(to),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<String>>, D::Error> {
        let words = Vec::<String>::deserialize(from)?;
        if words == FOUND {
            return Ok(None);
        }
        if words == MARK_ALONE {
            return Ok(Some(FOUND.map(str::to_owned).to_vec()));
        }
        Ok(Some(words))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::DataSettings;
    use serde_json::json;

    #[test]
    fn values_that_are_found_are_written_as_before_and_given_ones_are_read_back() {
        let found = serde_json::to_value(DataSettings::default()).unwrap();
        assert_eq!(
            (&found["separator"], &found["missing"]),
            (&json!(","), &json!(["?"]))
        );
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        for (separator, missing) in [
            (None, None),
            (Some(','), words(&["?"])),
            (Some(';'), words(&["NA", "-"])),
            (Some('c'), words(&[])),
        ] {
            let settings = DataSettings {
                separator,
                missing,
                ..DataSettings::default()
            };
            let written = serde_json::to_value(&settings).unwrap();
            let read: DataSettings = serde_json::from_value(written).unwrap();
            assert_eq!(read, settings);
        }
    }

    #[test]
    fn a_separator_of_several_characters_is_refused_with_what_is_expected() {
        let read = serde_json::from_value::<DataSettings>(json!({"separator": "tab"}));
        let text = read.unwrap_err().to_string();
        assert!(
            text.contains("expected one character or \"comma\""),
            "{text}"
        );
    }
}
