//! The compact model's forward pass in one sweep over rows, on the CPU. What the gate leaves open differs from field
//! to field, so the ops that work on whole stacks of fields meet ragged tables and zeros; here each field's open
//! columns are looked up where they stand, and the interaction network multiplies, coordinate by coordinate, the open
//! fields alone.
//!
//! Three things make it cheap and change no logit: a layer reads x_i x_j and x_j x_i, so their weights are added up
//! beforehand; the last layer's maps are only summed, so its weights are contracted with the output's; and maps stand
//! side by side in memory, so that one product meets all of them at once.

use super::{CompactLinear, CompactModel, FieldMap, RawNumbers};
use crate::settings::CinActivation;
use crate::task::TableInput;
use candle_core::{CpuStorage, Result, Storage, Tensor, bail};
use rayon::prelude::*;

/// Rows that are multiplied together: their products fill a vector register.
const BLOCK: usize = 4;
/// Rows a thread takes.
const PART: usize = 64;
/// Maps that stand side by side.
const LANES: usize = 8;

/// Everything of a compact model but its deep branch, laid out for the sweep.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// Columns of the embeddings.
    open: usize,
    bias: Vec<f32>,
    fields: Vec<Lookup>,
    /// The raw branch: a weight row a category, and one a table row of numbers.
    raw_categories: Option<Vec<f32>>,
    raw_numbers: Option<Vec<f32>>,
    cin: Option<FusedCin>,
}

/// One field's table, and the columns of the embeddings it fills.
#[derive(Clone, Debug)]
struct Lookup {
    number: bool,
    column: usize,
    offset: u32,
    width: usize,
    start: usize,
    table: Vec<f32>,
}

/// The interaction network, a coordinate after the other.
#[derive(Clone, Debug)]
struct FusedCin {
    coordinates: Vec<Coordinate>,
    /// Of each layer but the last: the output's weights of its maps, (outputs, maps).
    pooled: Vec<Vec<f32>>,
    maps: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Coordinate {
    /// Columns of the embeddings of the fields that are open here.
    at: Vec<usize>,
    /// Of each layer but the last: (products, maps in lanes).
    layers: Vec<Vec<[f32; LANES]>>,
    /// (outputs, products).
    last: Vec<f32>,
}

/// What a sweep reads.
struct Input<'a> {
    ids: Option<(&'a [u32], usize)>,
    numbers: Option<Numbers<'a>>,
}

struct Numbers<'a> {
    lower: &'a [u32],
    upper: &'a [u32],
    position: &'a [f32],
    rest: &'a [f32],
    count: usize,
}

impl Fused {
    /// `None` where the model has something that the sweep does not do: numbers that are no tables, maps with an
    /// activation or a split, many classes.
    pub(super) fn new(model: &CompactModel) -> Result<Option<Self>> {
        let outputs = model.bias.elem_count();
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        if !model.bias.device().is_cpu() {
            return Ok(None);
        }
        let (mut fields, mut start) = (Vec::new(), 0);
        for field in &model.fields {
            let (number, table) = match &field.map {
                FieldMap::Categories(table) => (false, table),
                FieldMap::PiecewiseLinear(table) => (true, table),
                FieldMap::Dense(..) => return Ok(None),
            };
            let width = table.dim(1)?;
            fields.push(Lookup {
                number,
                column: field.column,
                offset: field.offset,
                width,
                start,
                table: values(table)?,
            });
            start += width;
        }
        let (mut raw_categories, mut raw_numbers) = (None, None);
        if let CompactLinear::Raw(categories, numbers) = &model.linear {
            raw_categories = categories.as_ref().map(values).transpose()?;
            raw_numbers = match numbers {
                Some(RawNumbers::PiecewiseLinear(table)) => Some(values(table)?),
                Some(RawNumbers::Scaled(_)) => return Ok(None),
                None => None,
            };
        }
        let cin = match &model.cin {
            None => None,
            Some(_) => match FusedCin::new(model, outputs)? {
                Some(cin) => Some(cin),
                None => return Ok(None),
            },
        };
        Ok(Some(Self {
            open: start,
            bias: values(&model.bias)?,
            fields,
            raw_categories,
            raw_numbers,
            cin,
        }))
    }

    /// The open embeddings, (rows, open), and bias, raw branch and interactions added up, (rows, outputs).
    pub(super) fn forward(&self, input: &TableInput, rows: usize) -> Result<(Tensor, Tensor)> {
        let outputs = self.bias.len();
        let mut x = vec![0f32; rows * self.open];
        let mut sums = vec![0f32; rows * outputs];
        with_input(input, |input| {
            let part = |(number, (x, sums)): (usize, (&mut [f32], &mut [f32]))| {
                self.part(input, number * PART, x, sums)
            };
            if self.open == 0 || rows <= PART {
                return self.part(input, 0, &mut x, &mut sums);
            }
            x.par_chunks_mut(PART * self.open)
                .zip(sums.par_chunks_mut(PART * outputs))
                .enumerate()
                .map(part)
                .collect::<Result<()>>()
        })?;
        let device = candle_core::Device::Cpu;
        Ok((
            Tensor::from_vec(x, (rows, self.open), &device)?,
            Tensor::from_vec(sums, (rows, outputs), &device)?,
        ))
    }

    /// Rows from `first` on: as many as `sums` holds.
    fn part(&self, input: &Input<'_>, first: usize, x: &mut [f32], sums: &mut [f32]) -> Result<()> {
        let outputs = self.bias.len();
        for (at, sums) in sums.chunks_exact_mut(outputs).enumerate() {
            sums.copy_from_slice(&self.bias);
            self.raw(input, first + at, sums)?;
        }
        if self.open == 0 {
            return Ok(());
        }
        for (at, x) in x.chunks_exact_mut(self.open).enumerate() {
            for field in &self.fields {
                field.look_up(
                    input,
                    first + at,
                    &mut x[field.start..field.start + field.width],
                )?;
            }
        }
        if let Some(cin) = &self.cin {
            let mut scratch = Scratch::default();
            for coordinate in &cin.coordinates {
                let xs = x.chunks(BLOCK * self.open);
                for (x, sums) in xs.zip(sums.chunks_mut(BLOCK * outputs)) {
                    if sums.len() == BLOCK * outputs {
                        cin.add::<BLOCK>(coordinate, x, self.open, sums, &mut scratch.four);
                        continue;
                    }
                    let singles = x
                        .chunks_exact(self.open)
                        .zip(sums.chunks_exact_mut(outputs));
                    for (x, sums) in singles {
                        cin.add::<1>(coordinate, x, self.open, sums, &mut scratch.one);
                    }
                }
            }
        }
        Ok(())
    }

    fn raw(&self, input: &Input<'_>, row: usize, sums: &mut [f32]) -> Result<()> {
        let outputs = sums.len();
        let mut add = |table: &[f32], at: u32, weight: f32| -> Result<()> {
            let from = at as usize * outputs;
            let Some(found) = table.get(from..from + outputs) else {
                bail!("row {at} of a table with {} rows", table.len() / outputs);
            };
            for (sum, value) in sums.iter_mut().zip(found) {
                *sum += weight * value;
            }
            Ok(())
        };
        if let (Some(table), Some((ids, count))) = (&self.raw_categories, input.ids) {
            for &id in &ids[row * count..(row + 1) * count] {
                add(table, id, 1.0)?;
            }
        }
        if let (Some(table), Some(numbers)) = (&self.raw_numbers, &input.numbers) {
            for at in row * numbers.count..(row + 1) * numbers.count {
                add(table, numbers.lower[at], numbers.rest[at])?;
                add(table, numbers.upper[at], numbers.position[at])?;
            }
        }
        Ok(())
    }
}

impl Lookup {
    /// One row's open columns of this field.
    fn look_up(&self, input: &Input<'_>, row: usize, x: &mut [f32]) -> Result<()> {
        let line = |id: u32| -> Result<&[f32]> {
            let at = id.wrapping_sub(self.offset) as usize;
            let from = at.saturating_mul(self.width);
            match self.table.get(from..from.saturating_add(self.width)) {
                Some(line) => Ok(line),
                None => bail!("row {id} is not among the rows of column {}", self.column),
            }
        };
        match (self.number, input.ids, &input.numbers) {
            (false, Some((ids, count)), _) => {
                x.copy_from_slice(line(ids[row * count + self.column])?);
            }
            (true, _, Some(numbers)) => {
                let at = row * numbers.count + self.column;
                let (lower, upper) = (line(numbers.lower[at])?, line(numbers.upper[at])?);
                let (rest, position) = (numbers.rest[at], numbers.position[at]);
                for ((x, lower), upper) in x.iter_mut().zip(lower).zip(upper) {
                    *x = lower * rest + upper * position;
                }
            }
            _ => bail!("the input has no column {} of its kind", self.column),
        }
        Ok(())
    }
}

/// Buffers of [`FusedCin::add`], for blocks and for single rows.
#[derive(Default)]
struct Scratch {
    four: Buffers<BLOCK>,
    one: Buffers<1>,
}

#[derive(Default)]
struct Buffers<const R: usize> {
    x: Vec<[f32; R]>,
    products: Vec<[f32; R]>,
    maps: Vec<[f32; R]>,
}

impl FusedCin {
    fn new(model: &CompactModel, outputs: usize) -> Result<Option<Self>> {
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
        // The fields left, by number among them, and where each begins among the open columns.
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

    /// Adds what one coordinate contributes to `R` rows. `x`: (R, open).
    fn add<const R: usize>(
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

/// One map's weights of the products on the open fields: of the first layer's pairs i <= j, of another layer's maps
/// before times fields.
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

/// Maps in groups of [`LANES`], each group (products, lanes); missing maps are zeros.
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

/// Each row's sums over products, all lanes at once.
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

/// Lends an input's tensors out as slices.
fn with_input(input: &TableInput, work: impl FnOnce(&Input<'_>) -> Result<()>) -> Result<()> {
    let ids = input
        .categories
        .as_ref()
        .map(|c| c.ids.contiguous())
        .transpose()?;
    let numbers = match &input.numbers {
        Some(n) => Some([
            n.lower.contiguous()?,
            n.upper.contiguous()?,
            n.position.contiguous()?,
            n.rest.contiguous()?,
        ]),
        None => None,
    };
    let ids_held = ids
        .as_ref()
        .map(|ids| (ids.storage_and_layout(), ids.dims()));
    let ids = match &ids_held {
        Some(((storage, layout), dims)) => Some((cpu::<u32>(storage, layout)?, dims[1])),
        None => None,
    };
    let held = numbers.as_ref().map(|all| {
        (
            all.each_ref().map(Tensor::storage_and_layout),
            all[0].dims(),
        )
    });
    let numbers = match &held {
        Some(([lower, upper, position, rest], dims)) => Some(Numbers {
            lower: cpu(&lower.0, lower.1)?,
            upper: cpu(&upper.0, upper.1)?,
            position: cpu(&position.0, position.1)?,
            rest: cpu(&rest.0, rest.1)?,
            count: dims[1],
        }),
        None => None,
    };
    work(&Input { ids, numbers })
}

fn cpu<'a, T: candle_core::WithDType>(
    storage: &'a Storage,
    layout: &candle_core::Layout,
) -> Result<&'a [T]> {
    let Storage::Cpu(storage) = storage else {
        bail!("the sweep is for the CPU");
    };
    let values: &[T] = CpuStorage::as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => bail!("the input is not contiguous"),
    }
}
