//! The interaction network, computed on the open fields of each coordinate.

use crate::compact::CompactModel;
use crate::settings::CinActivation;
use candle_core::{Result, Tensor};

/// Number of rows multiplied together; their products fill a vector register.
pub(super) const BLOCK: usize = 4;
/// Number of maps stored side by side.
const LANES: usize = 8;

/// The interaction network, computed one coordinate after the other.
#[derive(Clone, Debug)]
pub(super) struct FusedCin {
    /// The coordinates with an open field, in order.
    pub(super) coordinates: Vec<Coordinate>,
    /// Output weights of the maps of each layer but the last, (outputs, maps).
    pooled: Vec<Vec<f32>>,
    maps: Vec<usize>,
}

/// One coordinate of the embeddings.
#[derive(Clone, Debug)]
pub(super) struct Coordinate {
    /// Columns of the embeddings for the fields that are open in this coordinate.
    at: Vec<usize>,
    /// Weights of each layer but the last, (products, maps in lanes).
    layers: Vec<Vec<[f32; LANES]>>,
    /// Weights of the last layer, (outputs, products).
    last: Vec<f32>,
}

/// Buffers of [`FusedCin::add`], for blocks and for single rows.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) four: Buffers<BLOCK>,
    pub(super) one: Buffers<1>,
}

/// Buffers for one number of rows.
#[derive(Default)]
pub(super) struct Buffers<const R: usize> {
    x: Vec<[f32; R]>,
    products: Vec<[f32; R]>,
    maps: Vec<[f32; R]>,
}

impl FusedCin {
    /// Returns `None` for maps with an activation or a split, and for more outputs than maps.
    pub(super) fn new(model: &CompactModel, outputs: usize) -> Result<Option<Self>> {
        let Some(cin) = &model.cin else {
            return Ok(None);
        };
        let settings = &cin.settings;
        let last_maps = settings.maps.last().copied().unwrap_or(0);
        if settings.activation != CinActivation::None || settings.split || outputs > last_maps {
            return Ok(None);
        }
        let weights: Vec<Vec<Vec<Vec<f32>>>> = cin
            .weights
            .iter()
            .map(Tensor::to_vec3::<f32>)
            .collect::<Result<_>>()?;
        let output: Vec<Vec<f32>> = cin.output.to_vec2()?; // (outputs, sums of all layers)
        let before_last: usize = settings.maps[..settings.maps.len() - 1].iter().sum();
        let mut pooled = Vec::new();
        let mut from = 0;
        for &maps in &settings.maps[..settings.maps.len() - 1] {
            let of_layer = output.iter().flat_map(|row| &row[from..from + maps]);
            pooled.push(of_layer.copied().collect());
            from += maps;
        }
        // The remaining fields, and where each begins among the open columns.
        let left: Vec<&Vec<u32>> = model
            .kept
            .iter()
            .filter(|field| !field.is_empty())
            .collect();
        let mut coordinates = Vec::new();
        for d in 0..model.dim as u32 {
            let (mut at, mut open, mut start) = (Vec::new(), Vec::new(), 0);
            for (field, kept) in left.iter().enumerate() {
                if let Some(place) = kept.iter().position(|&k| k == d) {
                    at.push(start + place);
                    open.push(field);
                }
                start += kept.len();
            }
            if at.is_empty() {
                continue;
            }
            let mut layers = Vec::new();
            let mut last = Vec::new();
            for (layer, weight) in weights.iter().enumerate() {
                let maps: Vec<Vec<f32>> = weight
                    .iter()
                    .map(|w| products_of(w, layer, &open))
                    .collect();
                let count = maps[0].len();
                if layer + 1 < weights.len() {
                    layers.push(in_lanes(&maps, count));
                    continue;
                }
                for row in &output {
                    let row = &row[before_last..];
                    let of =
                        |p: usize| maps.iter().zip(row).map(|(map, w)| map[p] * w).sum::<f32>();
                    last.extend((0..count).map(of));
                }
            }
            coordinates.push(Coordinate { at, layers, last });
        }
        Ok(Some(Self {
            coordinates,
            pooled,
            maps: settings.maps.clone(),
        }))
    }

    /// Adds the contribution of one coordinate to `R` rows. `x` is (R, open).
    pub(super) fn add<const R: usize>(
        &self,
        coordinate: &Coordinate,
        x: &[f32],
        open: usize,
        sums: &mut [f32],
        buffers: &mut Buffers<R>,
    ) {
        let outputs = sums.len() / R;
        let Buffers {
            x: xs,
            products,
            maps,
        } = buffers;
        xs.clear();
        xs.extend(
            coordinate
                .at
                .iter()
                .map(|&at| std::array::from_fn(|r| x[r * open + at])),
        );
        products.clear();
        for (i, a) in xs.iter().enumerate() {
            products.extend(xs[i..].iter().map(|b| times(a, b)));
        }
        for (layer, weights) in coordinate.layers.iter().enumerate() {
            let count = self.maps[layer];
            maps.clear();
            for lanes in weights.chunks_exact(products.len()) {
                let found = contract(products, lanes);
                let some = (count - maps.len()).min(LANES);
                maps.extend((0..some).map(|h| std::array::from_fn(|r| found[r][h])));
            }
            for (o, row) in self.pooled[layer].chunks_exact(count).enumerate() {
                for (map, w) in maps.iter().zip(row) {
                    for r in 0..R {
                        sums[r * outputs + o] += map[r] * w;
                    }
                }
            }
            products.clear();
            for map in maps.iter() {
                products.extend(xs.iter().map(|x| times(map, x)));
            }
        }
        for (o, weights) in coordinate.last.chunks_exact(products.len()).enumerate() {
            let mut total = [0f32; R];
            for (product, w) in products.iter().zip(weights) {
                for r in 0..R {
                    total[r] += product[r] * w;
                }
            }
            for r in 0..R {
                sums[r * outputs + o] += total[r];
            }
        }
    }
}

/// One map's weights of the products on the open fields. The products are the pairs i <= j in the first layer, and
/// maps before times fields in other layers.
fn products_of(weight: &[Vec<f32>], layer: usize, open: &[usize]) -> Vec<f32> {
    if layer > 0 {
        let row = |row: &Vec<f32>| open.iter().map(|&j| row[j]).collect::<Vec<f32>>();
        return weight.iter().flat_map(row).collect();
    }
    let mut found = Vec::new();
    for (n, &i) in open.iter().enumerate() {
        found.push(weight[i][i]);
        found.extend(open[n + 1..].iter().map(|&j| weight[i][j] + weight[j][i]));
    }
    found
}

/// Groups maps by [`LANES`]; each group is (products, lanes), padded with zeros.
fn in_lanes(maps: &[Vec<f32>], count: usize) -> Vec<[f32; LANES]> {
    maps.chunks(LANES)
        .flat_map(|group| {
            (0..count).map(move |p| std::array::from_fn(|h| group.get(h).map_or(0.0, |map| map[p])))
        })
        .collect()
}

fn times<const R: usize>(a: &[f32; R], b: &[f32; R]) -> [f32; R] {
    std::array::from_fn(|r| a[r] * b[r])
}

/// Sums over products for each row, in all lanes at once.
fn contract<const R: usize>(products: &[[f32; R]], weights: &[[f32; LANES]]) -> [[f32; LANES]; R] {
    let mut sums = [[0f32; LANES]; R];
    for (product, weight) in products.iter().zip(weights) {
        for r in 0..R {
            for h in 0..LANES {
                sums[r][h] += product[r] * weight[h];
            }
        }
    }
    sums
}
