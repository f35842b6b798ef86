//! The members of the suite: datasets of three kinds, from four hundred to forty thousand rows, most of which nobody
//! tuned the defaults to. A member is data; to add one, write another entry.

use l0gm::plan::merged;
use serde_json::{Value, json};

/// The kind of a member's rows, which decides what runs on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Texts,
    Graph,
}

impl Kind {
    /// The modality's name.
    pub(super) fn modality(self) -> &'static str {
        match self {
            Self::Table => "tabular",
            Self::Texts => "text",
            Self::Graph => "graph",
        }
    }

    /// The setting that limits training rows and leaves validation and test rows as they are.
    fn limit(self, rows: usize) -> Value {
        match self {
            Self::Table => json!({"data": {"train-rows": rows}}),
            Self::Texts => json!({"train-rows": rows}),
            Self::Graph => json!({"split": {"train-rows": rows}}),
        }
    }
}

/// Where a member's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A name of the catalogue.
    Catalogue(&'static str),
    /// A file below the data folder.
    File(&'static str),
}

/// The number of training rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// All that the member has.
    All,
    /// A sample of so many.
    Rows(usize),
}

impl Size {
    /// "all" or the number of rows, as `--size` takes it and `rows.csv` writes it.
    pub(super) fn name(self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Rows(rows) => rows.to_string(),
        }
    }
}

/// One dataset of the suite with the settings it needs.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// What `--member` and the table call it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) source: Source,
    /// Settings laid over those of the profile.
    settings: Value,
    /// Number of training rows at [`Size::All`].
    pub(super) train_rows: usize,
    /// What every table says about it; may be empty.
    pub(super) note: &'static str,
    /// Where its rows can be had, or why they cannot be used yet.
    pub(super) hint: &'static str,
}

impl Member {
    /// The settings to lay over the profile's. The robustness protocol is left out everywhere: it is not part of this
    /// comparison and would take most of the time.
    pub(super) fn settings_at(&self, size: Size) -> Value {
        let plain = merged(&json!({"train": {"robustness": false}}), &self.settings);
        match size {
            Size::All => plain,
            Size::Rows(rows) => merged(&plain, &self.kind.limit(rows)),
        }
    }

    /// Whether this size is one of its own: a sample has fewer rows than all.
    pub(super) fn has(&self, size: Size) -> bool {
        match size {
            Size::All => true,
            Size::Rows(rows) => rows < self.train_rows,
        }
    }

    /// The pretrained encoder that it needs.
    pub(super) fn encoder(&self) -> Option<&str> {
        self.settings["encoder"].as_str()
    }
}

const IN_THE_CATALOGUE: &str = "`cargo xtask datasets` says where it can be had";
const ENCODER: &str = "all-MiniLM-L6-v2";

/// Every member, in the order of the table.
pub(super) fn members() -> Vec<Member> {
    vec![
        Member {
            name: "adult",
            kind: Kind::Table,
            source: Source::Catalogue("adult"),
            settings: json!({}),
            train_rows: 35_165,
            note: "",
            hint: IN_THE_CATALOGUE,
        },
        Member {
            name: "bank",
            kind: Kind::Table,
            source: Source::File("own-files/bank.csv"),
            settings: json!({"data": {"label": "deposit", "ignore": ["duration"]}}),
            train_rows: 32_551,
            note: "without the column `duration`, which is known only after the call",
            hint: "UCI's Bank Marketing, one header line, label `deposit`",
        },
        Member {
            name: "telescope",
            kind: Kind::Table,
            source: Source::File("own-files/telescope.csv"),
            settings: json!({"data": {"label": "Class"}}),
            train_rows: 13_694,
            note: "",
            hint: "UCI's MAGIC Gamma Telescope, one header line, label `Class`",
        },
        Member {
            name: "movielens",
            kind: Kind::Table,
            source: Source::File("movielens-100k/ratings.csv"),
            settings: json!({"data": {
                "label": "liked",
                "categorical": ["user_id", "item_id", "zip_code", "release_year"],
            }}),
            train_rows: 72_000,
            note: "the label is whether a rating is at least 4 of 5",
            hint: "docs/reproduce.md has the commands that make it",
        },
        Member {
            name: "imdb",
            kind: Kind::Texts,
            source: Source::Catalogue("imdb"),
            settings: json!({
                "encoder": ENCODER, "fine-tune": "frozen",
                "train-rows": 5000, "valid-rows": 500, "test-rows": 5000,
            }),
            train_rows: 5000,
            note: "5,000 of 24,500 training and 5,000 of 25,000 test texts; the encoder is frozen, and its one pass over \
                   the texts is not in the seconds",
            hint: IN_THE_CATALOGUE,
        },
        Member {
            name: "sms-spam",
            kind: Kind::Texts,
            source: Source::File("own-files/sms-spam.tsv"),
            settings: json!({
                "encoder": ENCODER, "fine-tune": "frozen", "text-column": "message",
                "train-rows": null, "valid-rows": 446, "test-rows": null,
            }),
            train_rows: 4012,
            note: "the encoder is frozen, and its one pass over the texts is not in the seconds",
            hint: "UCI's SMS Spam Collection, one header line, columns `label` and `message`",
        },
        graph(
            "amazon-computers",
            "amazon-computers",
            "random-60-20-20",
            8251,
        ),
        graph(
            "amazon-computers-low-label",
            "amazon-computers",
            "low-label-20-30",
            200,
        ),
        graph("amazon-photo", "amazon-photo", "random-60-20-20", 4590),
        graph(
            "amazon-photo-low-label",
            "amazon-photo",
            "low-label-20-30",
            160,
        ),
        Member {
            hint: "its .npz is downloaded, the published split is put there by hand (docs/reproduce.md)",
            ..graph(
                "coauthor-physics",
                "coauthor-physics",
                "public-60-20-20",
                20_695,
            )
        },
    ]
}

fn graph(
    name: &'static str,
    dataset: &'static str,
    split: &'static str,
    train_rows: usize,
) -> Member {
    Member {
        name,
        kind: Kind::Graph,
        source: Source::Catalogue(dataset),
        settings: json!({"split": {"kind": split}}),
        train_rows,
        note: match split {
            "low-label-20-30" => "20 nodes of each class train, 30 validate",
            _ => "",
        },
        hint: IN_THE_CATALOGUE,
    }
}
