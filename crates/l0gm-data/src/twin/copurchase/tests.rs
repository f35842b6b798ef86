#![allow(clippy::unwrap_used)]
use super::*;
use flate2::read::GzDecoder;
use std::io::Read as _;

fn small() -> Copurchase {
    Copurchase {
        nodes: 1_000,
        edges: 12_000,
        features: 100,
        classes: 5,
        splits: vec![
            "random-60-20-20".into(),
            "low-label-20-30".into(),
            "sales_ranking".into(),
        ],
        seed: 0,
    }
}

fn lines(path: &Path) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text.lines().map(Into::into).collect()
}

#[test]
fn files_have_ogbs_raw_layout_and_the_asked_size() {
    let tmp = tempfile::tempdir().unwrap();
    small().write(tmp.path()).unwrap();
    let raw = |name: &str| lines(&tmp.path().join("raw").join(name));
    assert_eq!(raw("num-node-list.csv.gz"), ["1000"]);
    assert_eq!(raw("num-edge-list.csv.gz"), ["12000"]);
    assert_eq!(raw("edge.csv.gz").len(), 12_000);
    assert_eq!(raw("node-label.csv.gz").len(), 1_000);
    let features = raw("node-feat.csv.gz");
    assert_eq!(features.len(), 1_000);
    assert!(features.iter().all(|f| f.split(',').count() == 100));
    assert!(
        features
            .iter()
            .flat_map(|f| f.split(','))
            .all(|v| v == "0" || v == "1")
    );
}

#[test]
fn every_split_has_every_node_once() {
    let tmp = tempfile::tempdir().unwrap();
    small().write(tmp.path()).unwrap();
    for kind in small().splits {
        let part = |p: &str| {
            lines(
                &tmp.path()
                    .join("split")
                    .join(&kind)
                    .join(format!("{p}.csv.gz")),
            )
        };
        let mut all: Vec<usize> = ["train", "valid", "test"]
            .iter()
            .flat_map(|p| part(p))
            .map(|l| l.parse().unwrap())
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..1_000).collect::<Vec<_>>(), "{kind}");
        if kind == "low-label-20-30" {
            assert_eq!((part("train").len(), part("valid").len()), (5 * 20, 5 * 30));
        }
    }
}

#[test]
fn edges_stand_once_and_mostly_join_the_same_class() {
    let graph = small().draw(Path::new("twin")).unwrap();
    assert!(graph.edges.iter().all(|(a, b)| a < b));
    assert!(graph.edges.windows(2).all(|w| w[0] < w[1]));
    let same = graph
        .edges
        .iter()
        .filter(|(a, b)| graph.labels[*a] == graph.labels[*b])
        .count();
    let homophily = same as f64 / graph.edges.len() as f64;
    assert!((0.65..0.85).contains(&homophily), "{homophily}");
}

#[test]
fn degrees_are_uneven_and_a_third_of_the_words_is_used() {
    let graph = small().draw(Path::new("twin")).unwrap();
    let mut degree = vec![0usize; 1_000];
    for &(a, b) in &graph.edges {
        degree[a] += 1;
        degree[b] += 1;
    }
    degree.sort_unstable();
    assert!(
        degree[990] > 4 * degree[500],
        "{} {}",
        degree[990],
        degree[500]
    );
    let density = graph.words.iter().map(Vec::len).sum::<usize>() as f64 / 100_000.0;
    // A third of the words are present, as in the original.
    assert!((0.25..0.45).contains(&density), "{density}");
}

#[test]
fn neighbours_tell_more_about_the_class_than_words_do() {
    let graph = small().draw(Path::new("twin")).unwrap();
    let mut votes = vec![[0usize; 5]; 1_000];
    for &(a, b) in &graph.edges {
        votes[a][graph.labels[b]] += 1;
        votes[b][graph.labels[a]] += 1;
    }
    // Naive Bayes on the words, fitted on even nodes and evaluated on odd ones.
    let mut counts = [[1.0f64; 100]; 5];
    let mut sizes = [2.0f64; 5];
    for i in (0..1_000).step_by(2) {
        sizes[graph.labels[i]] += 1.0;
        graph.words[i]
            .iter()
            .for_each(|&(w, _)| counts[graph.labels[i]][w] += 1.0);
    }
    let odds = |i: usize, c: usize| {
        let has = |w: usize| graph.words[i].binary_search_by_key(&w, |&(w, _)| w).is_ok();
        let p = |w: usize| counts[c][w] / sizes[c];
        let words = (0..100).map(|w| {
            if has(w) {
                p(w).ln()
            } else {
                (1.0 - p(w)).max(1e-9).ln()
            }
        });
        sizes[c].ln() + words.sum::<f64>()
    };
    let (mut by_neighbours, mut by_words) = (0.0, 0.0);
    for i in (1..1_000).step_by(2) {
        let vote = (0..5).max_by_key(|&c| votes[i][c]).unwrap();
        let guess = (0..5)
            .max_by(|&a, &b| odds(i, a).total_cmp(&odds(i, b)))
            .unwrap();
        by_neighbours += f64::from(vote == graph.labels[i]) / 500.0;
        by_words += f64::from(guess == graph.labels[i]) / 500.0;
    }
    assert!(
        by_neighbours > by_words + 0.03,
        "{by_neighbours} {by_words}"
    );
    assert!((0.82..0.96).contains(&by_neighbours), "{by_neighbours}");
    assert!((0.55..0.9).contains(&by_words), "{by_words}");
}

#[test]
fn hard_nodes_are_spread_over_the_shares_of_their_neighbours() {
    // If accuracy had a hard limit, there would be nodes with almost no neighbour of their own class.
    let graph = Copurchase {
        nodes: 4_000,
        edges: 60_000,
        ..small()
    }
    .draw(Path::new("twin"))
    .unwrap();
    let mut own = vec![[0usize; 2]; 4_000];
    for &(a, b) in &graph.edges {
        let same = usize::from(graph.labels[a] == graph.labels[b]);
        own[a][same] += 1;
        own[b][same] += 1;
    }
    let shares: Vec<f64> = own
        .iter()
        .filter(|[others, own]| others + own >= 10)
        .map(|[others, own]| *own as f64 / (others + own) as f64)
        .collect();
    let between = |low: f64, high: f64| {
        let inside = shares.iter().filter(|s| (low..high).contains(*s)).count();
        inside as f64 / shares.len() as f64
    };
    assert!(between(0.0, 0.1) < 0.03, "{}", between(0.0, 0.1));
    for (low, high) in [(0.1, 0.35), (0.35, 0.6), (0.6, 0.8)] {
        assert!(between(low, high) > 0.05, "{low} {}", between(low, high));
    }
}

#[test]
fn the_same_seed_gives_the_same_graph() {
    let draw = |seed| {
        Copurchase { seed, ..small() }
            .draw(Path::new("twin"))
            .unwrap()
            .edges
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn an_impossible_size_or_split_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let crowded = Copurchase {
        edges: 1_000_000,
        ..small()
    };
    assert!(
        crowded
            .write(tmp.path())
            .unwrap_err()
            .to_string()
            .contains("at most")
    );
    let unknown = Copurchase {
        splits: vec!["random".into()],
        ..small()
    };
    assert!(
        unknown
            .write(tmp.path())
            .unwrap_err()
            .to_string()
            .contains("sales_ranking")
    );
}
