//! Manifests: the description of one dataset or pretrained model in `datasets/*.toml`. They are compiled in, so that
//! a binary alone knows where everything comes from.

use crate::{Error, Result, node_split};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The manifest of one dataset or model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name, such as "adult".
    pub name: String,
    /// Modality: "tabular", "text", "graph" or "model".
    pub modality: String,
    /// Reader of the files: "adult", "reviews", "ogb", "npz" or "encoder". The modality's crate implements it.
    pub reader: String,
    /// Description on one line.
    pub description: String,
    /// Licence, as an SPDX identifier or in words.
    pub licence: String,
    /// Publication to cite.
    pub citation: String,
    /// Splits that the dataset has or that a seed determines; the benchmark's comes first.
    #[serde(default)]
    pub splits: Vec<String>,
    /// Instructions for getting the files by hand if nothing can be downloaded.
    pub manual: String,
    /// Known numbers of rows, nodes, edges and classes.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// The files of the layout, relative to the dataset's folder.
    pub files: Vec<FileSpec>,
    /// Other layouts that can be read as well.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// Where the files come from.
    pub sources: Vec<Source>,
    /// The synthetic twin; models have none.
    #[serde(default)]
    pub twin: Option<TwinSpec>,
}

/// One file of a dataset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Path relative to the dataset's folder, with forward slashes.
    pub path: String,
    /// Number of bytes, if known.
    #[serde(default)]
    pub size: Option<u64>,
    /// sha256 in lower-case hex, if known; otherwise the checksum at the first download is stored.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whether the dataset is complete without this file.
    #[serde(default)]
    pub optional: bool,
}

/// Another layout that readers accept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Prefix of the listed files that these paths replace, such as "raw/".
    pub instead_of: String,
    /// Files or folders that must all exist.
    pub paths: Vec<String>,
}

/// Where files come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// An archive that contains the listed files.
    Zip {
        /// Address of the archive.
        url: String,
        /// Checksum of the archive, if known.
        #[serde(default)]
        sha256: Option<String>,
        /// Prefix of the archive's names to remove, such as "products/".
        #[serde(default)]
        strip: String,
    },
    /// A folder of files; the address of each is `url` plus its path.
    Files {
        /// Address of the folder, ending with a slash.
        url: String,
    },
    /// A dataset repository of the Hugging Face hub.
    HubDataset {
        /// Name of the repository, such as "stanfordnlp/imdb".
        repo: String,
    },
    /// A model repository of the Hugging Face hub.
    HubModel {
        /// Name of the repository, such as "sentence-transformers/all-MiniLM-L6-v2".
        repo: String,
    },
    /// A graph as CSR arrays in an .npz, which is converted into OGB's raw layout, unless the reader is "npz" and reads
    /// the original itself. The original stays in `original/` in the dataset's folder.
    NpzGraph {
        /// Address of the .npz.
        url: String,
        /// Checksum of the .npz, if known; otherwise the one at the first download is stored.
        #[serde(default)]
        sha256: Option<String>,
        /// Kinds of split to draw with a seed.
        #[serde(default)]
        splits: Vec<String>,
    },
    /// A source that cannot be downloaded and used directly; see [`Entry::manual`].
    Manual {
        /// Address of the original.
        url: String,
    },
}

impl FileSpec {
    /// A file of which only the name is known.
    pub(crate) fn plain(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            size: None,
            sha256: None,
            optional: false,
        }
    }
}

impl Source {
    /// The address to show to users.
    pub fn address(&self) -> String {
        match self {
            Source::Zip { url, .. }
            | Source::Files { url }
            | Source::NpzGraph { url, .. }
            | Source::Manual { url } => url.clone(),
            Source::HubDataset { repo } => format!("https://huggingface.co/datasets/{repo}"),
            Source::HubModel { repo } => format!("https://huggingface.co/{repo}"),
        }
    }

    fn splits_by_seed(&self) -> &[String] {
        match self {
            Source::NpzGraph { splits, .. } => splits,
            _ => &[],
        }
    }
}

/// The kind of a twin and its size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TwinSpec {
    /// A census-like table.
    Census {
        /// Rows of adult.data.
        train_rows: usize,
        /// Rows of adult.test.
        test_rows: usize,
    },
    /// A corpus like film reviews.
    Reviews {
        /// Reviews in the training file.
        train_rows: usize,
        /// Reviews in the test file.
        test_rows: usize,
    },
    /// A co-purchase graph.
    Copurchase {
        /// Products, the nodes of the graph.
        nodes: usize,
        /// Number of undirected edges.
        edges: usize,
        /// Number of binary features.
        features: usize,
        /// Product categories, the labels of the nodes.
        classes: usize,
        /// Names of the split folders.
        splits: Vec<String>,
    },
}

/// The compiled-in manifests: file names and texts.
const MANIFESTS: [(&str, &str); 7] = [
    (
        "datasets/adult.toml",
        include_str!("../catalogue/adult.toml"),
    ),
    (
        "datasets/all-MiniLM-L6-v2.toml",
        include_str!("../catalogue/all-MiniLM-L6-v2.toml"),
    ),
    (
        "datasets/amazon-computers.toml",
        include_str!("../catalogue/amazon-computers.toml"),
    ),
    (
        "datasets/amazon-photo.toml",
        include_str!("../catalogue/amazon-photo.toml"),
    ),
    (
        "datasets/coauthor-physics.toml",
        include_str!("../catalogue/coauthor-physics.toml"),
    ),
    ("datasets/imdb.toml", include_str!("../catalogue/imdb.toml")),
    (
        "datasets/ogbn-products.toml",
        include_str!("../catalogue/ogbn-products.toml"),
    ),
];

/// All compiled-in manifests, by name.
pub(crate) fn compiled_in() -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    for (path, text) in MANIFESTS {
        let entry = parse(path, text)?;
        entries.insert(entry.name.clone(), entry);
    }
    Ok(entries)
}

/// Parses a manifest and checks it.
///
/// # Errors
/// Fails for an unknown key, a path that leaves the folder, or a checksum that is not 64 hex digits.
pub(crate) fn parse(path: &str, text: &str) -> Result<Entry> {
    let refuse = |message: String| Error::File {
        path: PathBuf::from(path),
        message,
    };
    let entry: Entry =
        toml::from_str(text).map_err(|e| refuse(format!("not a manifest: {}", e.message())))?;
    const MODALITIES: [&str; 4] = ["tabular", "text", "graph", "model"];
    if !MODALITIES.contains(&entry.modality.as_str()) {
        return Err(refuse(format!(
            "modality is {:?}, expected one of {MODALITIES:?}",
            entry.modality
        )));
    }
    let readers: &[&str] = match entry.modality.as_str() {
        "tabular" => &["adult"],
        "text" => &["reviews"],
        "graph" => &["ogb", "npz"],
        _ => &["encoder"],
    };
    if !readers.contains(&entry.reader.as_str()) {
        return Err(refuse(format!(
            "reader is {:?}, expected one of {readers:?} for the modality {}",
            entry.reader, entry.modality
        )));
    }
    if !entry.files.iter().any(|f| !f.optional) || entry.sources.is_empty() {
        return Err(refuse(
            "a manifest needs a file that is not optional, and a source".into(),
        ));
    }
    let alternatives = entry.alternatives.iter().flat_map(|a| &a.paths);
    for name in entry.files.iter().map(|f| &f.path).chain(alternatives) {
        if !stays_inside(name) {
            return Err(refuse(format!(
                "path {name:?} leaves the folder; use a relative one"
            )));
        }
    }
    for kind in entry.sources.iter().flat_map(Source::splits_by_seed) {
        if !node_split::BY_SEED.contains(&kind.as_str()) {
            return Err(refuse(format!(
                "no split by seed is called {kind:?}; known: {}",
                node_split::BY_SEED.join(", ")
            )));
        }
    }
    for sum in entry.files.iter().filter_map(|f| f.sha256.as_ref()) {
        if sum.len() != 64
            || !sum
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(refuse(format!(
                "sha256 {sum:?} is not 64 lower-case hex digits"
            )));
        }
    }
    Ok(entry)
}

/// Whether a relative path has only plain components (no root, no `..`).
pub(crate) fn stays_inside(path: &str) -> bool {
    let parts = Path::new(path).components();
    !path.is_empty()
        && !path.contains('\\')
        && parts.into_iter().all(|p| matches!(p, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_manifest_in_the_folder_is_compiled_in_and_named_after_its_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
        let mut found = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "toml") {
                found.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
        found.sort();
        let compiled: Vec<String> = compiled_in().unwrap().into_keys().collect();
        assert_eq!(found, compiled);
        assert_eq!(compiled.len(), MANIFESTS.len());
    }

    #[test]
    fn known_checksums_are_those_of_design_section_8() {
        let adult = compiled_in().unwrap().remove("adult").unwrap();
        let sums: Vec<&str> = adult
            .files
            .iter()
            .filter_map(|f| f.sha256.as_deref())
            .collect();
        assert_eq!(
            sums,
            [
                "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"
            ]
        );
    }

    #[test]
    fn a_manifest_with_an_unknown_key_or_an_escaping_path_is_refused() {
        let good = MANIFESTS[0].1;
        let typo = good.replacen("licence", "license", 1);
        assert!(
            parse("x.toml", &typo)
                .unwrap_err()
                .to_string()
                .contains("license")
        );
        let reader = good.replacen("reader = \"adult\"", "reader = \"adlt\"", 1);
        let message = parse("x.toml", &reader).unwrap_err().to_string();
        assert!(
            message.contains("adlt") && message.contains("adult"),
            "{message}"
        );
        let escape = good.replacen("\"adult.data\"", "\"../adult.data\"", 1);
        assert!(
            parse("x.toml", &escape)
                .unwrap_err()
                .to_string()
                .contains("leaves the folder")
        );
        let sum = good.replacen("5b0026", "zz", 1);
        assert!(
            parse("x.toml", &sum)
                .unwrap_err()
                .to_string()
                .contains("64 lower-case hex")
        );
    }
}
