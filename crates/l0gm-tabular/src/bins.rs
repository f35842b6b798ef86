//! Bin edges of the piecewise-linear encoding (Gorishniy et al., "On Embeddings for Numerical Features", 2022), from
//! quantiles of the training values. Plain quantiles give most bins to a value that most rows share (nine tenths of
//! Adult's capital gains are 0). Here, a value frequent enough to fill a bin alone becomes an edge, and the quantiles
//! of the other values share the remaining edges.

/// Strictly increasing edges from finite values in any order: at least two, at most `bins + 1`.
pub fn quantile_edges(values: &[f64], bins: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let runs = run_lengths(&sorted);
    let mut edges = match (runs.first(), runs.last()) {
        (Some(first), Some(last)) if runs.len() > 1 => vec![first.0, last.0],
        // Beyond 2^53, adding one gives the same number.
        (Some(only), _) => return vec![only.0, (only.0 + 1.0).max(only.0.next_up())],
        _ => return vec![0.0, 1.0],
    };
    // A frequent value gets an edge of its own. The limit for being frequent falls as such values are removed.
    let mut light: Vec<(f64, usize)> = runs[1..runs.len() - 1].to_vec();
    loop {
        let free = (bins + 1).saturating_sub(edges.len());
        if free == 0 || light.is_empty() {
            break;
        }
        let rows: usize = light.iter().map(|run| run.1).sum();
        let heavy = |run: &(f64, usize)| run.1 * free >= rows;
        if !light.iter().any(heavy) {
            edges.extend(quantiles(&light, rows, free));
            break;
        }
        // Take no more than there are free edges, most frequent first; ties by value.
        let mut chosen: Vec<(f64, usize)> =
            light.iter().filter(|run| heavy(run)).copied().collect();
        chosen.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.total_cmp(&b.0)));
        chosen.truncate(free);
        edges.extend(chosen.iter().map(|run| run.0));
        light.retain(|run| !chosen.iter().any(|c| c.0 == run.0));
    }
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// Position of a value among edges: (bin, position within the bin in [0, 1]). Values outside are clipped.
pub fn locate(edges: &[f64], value: f64) -> (usize, f64) {
    let last = edges.len() - 2;
    let bin = edges.partition_point(|&edge| edge <= value);
    let bin = bin.saturating_sub(1).min(last);
    let position = (value - edges[bin]) / (edges[bin + 1] - edges[bin]);
    (bin, position.clamp(0.0, 1.0))
}

/// The encoding in full, with one number for each bin: 1 below the value's bin, its position within that bin, 0
/// above. The model computes the same through [`locate`] and running sums.
pub fn piecewise_linear(edges: &[f64], value: f64) -> Vec<f32> {
    let (bin, position) = locate(edges, value);
    (0..edges.len() - 1)
        .map(|b| match b.cmp(&bin) {
            std::cmp::Ordering::Less => 1.0,
            std::cmp::Ordering::Equal => position as f32,
            std::cmp::Ordering::Greater => 0.0,
        })
        .collect()
}

fn run_lengths(sorted: &[f64]) -> Vec<(f64, usize)> {
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for &value in sorted {
        match runs.last_mut() {
            Some(run) if run.0 == value => run.1 += 1,
            _ => runs.push((value, 1)),
        }
    }
    runs
}

/// Returns `count` values at evenly spaced ranks of the runs.
fn quantiles(runs: &[(f64, usize)], rows: usize, count: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(count);
    let (mut run, mut before) = (0, 0);
    for i in 1..=count {
        let rank = rows * i / (count + 1);
        while run + 1 < runs.len() && before + runs[run].1 <= rank {
            before += runs[run].1;
            run += 1;
        }
        out.push(runs[run].0);
    }
    out
}
