//! Which tensor of a checkpoint is meant by a name. In a checkpoint, names can have prefixes and older endings, and two of
//! them can come to the same name.
use std::collections::BTreeMap;

/// What may stand before a tensor's name, any number of times: an encoder's name in a model with a head, and what
/// PyTorch's wrappers for several devices or for compiled models and sentence-transformers add.
pub(crate) const PREFIXES: [&str; 11] = [
    "bert.",
    "distilbert.",
    "roberta.",
    "electra.",
    "mpnet.",
    "deberta.",
    "model.",
    "module.",
    "auto_model.",
    "0.",
    "_orig_mod.",
];

/// A tensor in one of a checkpoint's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the file.
    pub(crate) file: usize,
    /// The tensor's name there.
    pub(crate) name: String,
}

/// The tensors that can be meant by a name. They have the same number of prefixes and are equally old.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    /// Number of prefixes, and whether the ending is older. The smallest is meant.
    rank: (usize, bool),
    pub(crate) first: Place,
    /// Others, which must hold the same numbers.
    pub(crate) others: Vec<Place>,
}

/// The candidates for each plain name, from the names in each file. Fewer prefixes go first, then newer names.
pub(crate) fn candidates<'a>(
    names: impl IntoIterator<Item = (usize, &'a str)>,
) -> BTreeMap<String, Candidates> {
    let mut all: BTreeMap<String, Candidates> = BTreeMap::new();
    let mut names: Vec<(usize, &str)> = names.into_iter().collect();
    // A file lists its names in no certain order.
    names.sort_unstable();
    for (file, name) in names {
        let (plain, rank) = plain_name(name);
        let first = Place {
            file,
            name: name.to_owned(),
        };
        match all.get_mut(&plain) {
            Some(found) if found.rank < rank => {}
            Some(found) if found.rank == rank => found.others.push(first),
            _ => {
                let others = Vec::new();
                all.insert(
                    plain,
                    Candidates {
                        rank,
                        first,
                        others,
                    },
                );
            }
        }
    }
    all
}

/// A tensor's name without prefixes, and with today's name of a LayerNorm's tensor; the number of prefixes, and whether
/// the name was older.
fn plain_name(mut name: &str) -> (String, (usize, bool)) {
    let mut prefixes = 0;
    while let Some(rest) = PREFIXES.iter().find_map(|p| name.strip_prefix(p)) {
        name = rest;
        prefixes += 1;
    }
    let renamed =
        |old: &str, new: &str| name.strip_suffix(old).map(|start| format!("{start}{new}"));
    let newer = renamed("LayerNorm.gamma", "LayerNorm.weight")
        .or_else(|| renamed("LayerNorm.beta", "LayerNorm.bias"));
    let older = newer.is_some();
    (newer.unwrap_or_else(|| name.to_owned()), (prefixes, older))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_prefixes_go_before_a_newer_name_and_equals_stay_side_by_side() {
        let found = candidates([
            (0, "module.bert.x.LayerNorm.weight"),
            (0, "bert.x.LayerNorm.gamma"),
            (0, "roberta.x.LayerNorm.gamma"),
            (0, "y.LayerNorm.beta"),
            (1, "y.LayerNorm.bias"),
            // Shorter, but with more prefixes.
            (1, "0.0.z"),
            (1, "distilbert.z"),
        ]);
        let place = |file, name: &str| Place {
            file,
            name: name.to_owned(),
        };
        assert_eq!(found.len(), 3);
        let x = &found["x.LayerNorm.weight"];
        assert_eq!(x.first, place(0, "bert.x.LayerNorm.gamma"));
        assert_eq!(x.others, [place(0, "roberta.x.LayerNorm.gamma")]);
        assert_eq!(
            found["y.LayerNorm.bias"].first,
            place(1, "y.LayerNorm.bias")
        );
        assert!(found["y.LayerNorm.bias"].others.is_empty());
        assert_eq!(found["z"].first, place(1, "distilbert.z"));
    }
}
