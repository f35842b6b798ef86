//! The result of reading a graph: the graph itself, its features, and what is reported before training.
use crate::feature_schema::FeatureSchema;
use crate::settings::FeatureScaling;
use crate::{Graph, NodeId, NodeSplit};
use l0gm_data::rows::summary::ClassSummary;
use l0gm_data::rows::{Summary, list};
use l0gm_train::{Origins, RowKeys, RowOrigins, Split};
use std::path::Path;
use std::sync::Arc;

/// A graph with what was found in its files.
#[derive(Debug)]
pub(crate) struct GraphReading {
    pub(crate) graph: Graph,
    /// The nodes' ids as their file writes them; `None` for OGB's layouts, where a node's number is its id.
    pub(crate) names: Option<NodeNames>,
    /// The features of the nodes; `None` for OGB's layouts, whose features have no names.
    pub(crate) schema: Option<FeatureSchema>,
    /// What is reported about the files.
    pub(crate) summary: Summary,
    /// The columns with large numbers, and the largest of these numbers.
    pub(crate) large: Option<(Vec<String>, f32)>,
}

/// What names the nodes of a user's graph.
#[derive(Debug)]
pub(crate) struct NodeNames {
    /// Name of the nodes' file, without its folder.
    pub(crate) file: Arc<str>,
    /// The ids, in the order of the file.
    pub(crate) ids: Vec<String>,
}

impl GraphReading {
    /// The result for a graph in one of OGB's layouts, about which only counts can be reported.
    pub(crate) fn of_ogb(path: &Path, graph: Graph) -> Self {
        let mut classes: Vec<ClassSummary> = graph
            .classes()
            .iter()
            .map(|name| ClassSummary {
                name: name.clone(),
                rows: 0,
            })
            .collect();
        let mut unlabelled = 0;
        for label in graph.labels() {
            match label {
                Some(class) => classes[*class as usize].rows += 1,
                None => unlabelled += 1,
            }
        }
        let mut notes = vec![format!(
            "edges: {} pairs of nodes are joined; an edge has no direction",
            graph.edges()
        )];
        if unlabelled > 0 {
            notes.push(format!(
                "{unlabelled} nodes have no label: they stay, and take part in no loss"
            ));
        }
        let summary = Summary {
            source: path.display().to_string(),
            rows: graph.nodes(),
            column_count: graph.features().columns(),
            kinds: [("number".to_owned(), graph.features().columns())].into(),
            label: Some("node-label".to_owned()),
            classes,
            unlabelled,
            notes,
            ..Summary::default()
        };
        Self {
            graph,
            names: None,
            schema: None,
            summary,
            large: None,
        }
    }

    /// Where the validation and test nodes stand in the user's data: their ids as text.
    pub(crate) fn origins(&self, split: &NodeSplit) -> Origins {
        let part = |split_part: Split| {
            let nodes = split.part(split_part);
            let id = |node: &NodeId| match &self.names {
                Some(names) => names.ids[node.0 as usize].clone(),
                None => node.0.to_string(),
            };
            let file = self.names.as_ref().map(|names| names.file.clone());
            RowOrigins {
                files: file.map_or_else(Vec::new, |file| vec![file; nodes.len()]),
                keys: RowKeys::Names(nodes.iter().map(id).collect()),
            }
        };
        Origins {
            valid: part(Split::Valid),
            test: part(Split::Test),
        }
    }

    /// The report before training: what was found, how it is split, and how the settings treat it.
    pub(crate) fn summary(&self, split: &NodeSplit, scaling: FeatureScaling) -> Summary {
        let mut summary = self.summary.clone();
        let parts = [
            ("train", Split::Train),
            ("valid", Split::Valid),
            ("test", Split::Test),
        ];
        summary.split = parts
            .map(|(name, part)| (name.to_owned(), split.part(part).len()))
            .into();
        if split.left_out() > 0 {
            summary.notes.push(format!(
                "the split's files list {} nodes without a label, which are in no part",
                split.left_out()
            ));
        }
        summary.notes.extend(split.reduction());
        if let (FeatureScaling::None, Some((columns, largest))) = (scaling, &self.large) {
            summary.notes.push(format!(
                "features enter as they are, some as large as {largest} (in {}); the setting features=\"standard\" brings \
                 all to one scale",
                list(columns.iter().map(String::as_str))
            ));
        }
        summary
    }
}
