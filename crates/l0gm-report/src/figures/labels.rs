//! Places the labels of points on a line so that none covers another label, a point or, if possible, the line. Each
//! label in turn takes the best of a few places around its point.

/// A point of the canvas in pixels; y grows downwards.
pub(super) type Pixel = (i32, i32);

/// Cost of a place where the label would cover another label.
const ON_LABEL: u32 = 1000;
const ON_DOT: u32 = 100;
const ON_LINE: u32 = 10;

/// A rectangle in pixels, edges included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

/// What the labels have to avoid.
pub(super) struct Surroundings<'a> {
    /// The labelled points, one for each label.
    pub(super) points: &'a [Pixel],
    /// Radius of the points' dots, in pixels.
    pub(super) radius: i32,
    /// Distance between a dot and its label, in pixels.
    pub(super) gap: i32,
    /// Lines, each between two points.
    pub(super) lines: &'a [(Pixel, Pixel)],
    /// Every label stays inside this frame.
    pub(super) inside: Frame,
}

/// Returns the top left corner of each label, given the sizes (width, height). The result is `None` for a label that
/// would cover another one in every place.
pub(super) fn place(sizes: &[(i32, i32)], around: &Surroundings<'_>) -> Vec<Option<Pixel>> {
    let mut placed: Vec<Frame> = Vec::new();
    sizes
        .iter()
        .zip(around.points)
        .map(|(&size, &point)| {
            let candidates = candidates(point, size, around.radius + around.gap);
            let (cost, best) = candidates
                .into_iter()
                .filter(|frame| frame.lies_in(&around.inside))
                .map(|frame| (cost(&frame, &placed, around), frame))
                .min_by_key(|(cost, _)| *cost)?;
            if cost >= ON_LABEL {
                return None;
            }
            placed.push(best);
            Some((best.left, best.top))
        })
        .collect()
}

/// The places to try: above and below, then beside, then at the corners, then the same farther away.
fn candidates((x, y): Pixel, (width, height): (i32, i32), near: i32) -> Vec<Frame> {
    let mut found = Vec::new();
    for away in [near, near + height] {
        let above = y - away - height;
        let below = y + away;
        let middle = y - height / 2;
        let (left, centre, right) = (x - away - width, x - width / 2, x + away);
        for (left, top) in [
            (centre, above),
            (centre, below),
            (right, middle),
            (left, middle),
            (right, above),
            (left, above),
            (right, below),
            (left, below),
        ] {
            found.push(Frame {
                left,
                top,
                right: left + width,
                bottom: top + height,
            });
        }
    }
    found
}

fn cost(frame: &Frame, placed: &[Frame], around: &Surroundings<'_>) -> u32 {
    let r = around.radius;
    let dot = |&(x, y): &Pixel| Frame {
        left: x - r,
        top: y - r,
        right: x + r,
        bottom: y + r,
    };
    let labels = placed.iter().filter(|other| frame.meets(other)).count();
    let dots = around.points.iter().map(dot);
    let dots = dots.filter(|other| frame.meets(other)).count();
    let lines = around.lines.iter();
    let lines = lines.filter(|(a, b)| frame.is_crossed(*a, *b)).count();
    ON_LABEL * labels as u32 + ON_DOT * dots as u32 + ON_LINE * lines as u32
}

impl Frame {
    fn lies_in(&self, other: &Frame) -> bool {
        self.left >= other.left
            && self.right <= other.right
            && self.top >= other.top
            && self.bottom <= other.bottom
    }

    fn meets(&self, other: &Frame) -> bool {
        self.left <= other.right
            && other.left <= self.right
            && self.top <= other.bottom
            && other.top <= self.bottom
    }

    /// Whether the line from `a` to `b` passes through the frame. Clips the line at each edge and checks that
    /// something remains.
    fn is_crossed(&self, a: Pixel, b: Pixel) -> bool {
        let (mut from, mut to) = (0f64, 1f64);
        for (a, b, low, high) in [
            (a.0, b.0, self.left, self.right),
            (a.1, b.1, self.top, self.bottom),
        ] {
            let (start, step) = (f64::from(a), f64::from(b - a));
            let (low, high) = (f64::from(low), f64::from(high));
            if step == 0.0 {
                if start < low || start > high {
                    return false;
                }
                continue;
            }
            let (one, other) = ((low - start) / step, (high - start) / step);
            from = from.max(one.min(other));
            to = to.min(one.max(other));
        }
        from <= to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Frame = Frame {
        left: 0,
        top: 0,
        right: 400,
        bottom: 300,
    };
    const SIZE: (i32, i32) = (40, 12);

    fn frames(points: &[Pixel]) -> Vec<Option<Frame>> {
        let lines: Vec<(Pixel, Pixel)> = points.windows(2).map(|p| (p[0], p[1])).collect();
        let around = Surroundings {
            points,
            radius: 5,
            gap: 3,
            lines: &lines,
            inside: INSIDE,
        };
        let corners = place(&vec![SIZE; points.len()], &around);
        let frame = |(left, top): Pixel| Frame {
            left,
            top,
            right: left + SIZE.0,
            bottom: top + SIZE.1,
        };
        corners
            .into_iter()
            .map(|corner| corner.map(frame))
            .collect()
    }

    #[test]
    fn a_label_stands_above_its_point_where_nothing_is_in_the_way() {
        let frames = frames(&[(200, 150)]);
        let frame = frames[0].expect("there is room");
        assert_eq!((frame.left, frame.bottom), (180, 150 - 5 - 3));
    }

    #[test]
    fn neighbours_do_not_cover_each_other_nor_points_nor_the_line() {
        // Points that are close together, on a steep line, and at the edges.
        for points in [
            vec![(100, 150), (110, 148), (122, 151), (134, 150)],
            vec![(30, 280), (40, 20), (50, 150), (390, 10)],
            vec![(2, 2), (398, 298)],
        ] {
            let frames = frames(&points);
            for (i, a) in frames.iter().enumerate() {
                let a = a.expect("these have room");
                assert!(a.lies_in(&INSIDE), "{a:?}");
                for b in frames[i + 1..].iter().flatten() {
                    assert!(!a.meets(b), "{a:?} {b:?}");
                }
                for &(x, y) in &points {
                    let dot = Frame {
                        left: x - 5,
                        top: y - 5,
                        right: x + 5,
                        bottom: y + 5,
                    };
                    assert!(!a.meets(&dot), "{a:?} covers {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn a_label_without_any_room_is_left_out() {
        let frames = frames(&[(200, 150); 40]);
        assert!(frames[0].is_some());
        assert!(frames.iter().any(Option::is_none));
        let drawn: Vec<Frame> = frames.into_iter().flatten().collect();
        for (i, a) in drawn.iter().enumerate() {
            assert!(drawn[i + 1..].iter().all(|b| !a.meets(b)));
        }
    }

    #[test]
    fn a_line_crosses_what_it_passes_through_only() {
        let frame = Frame {
            left: 10,
            top: 10,
            right: 20,
            bottom: 20,
        };
        assert!(frame.is_crossed((0, 0), (30, 30)));
        assert!(frame.is_crossed((15, 0), (15, 40)));
        assert!(!frame.is_crossed((0, 25), (30, 25)));
        assert!(!frame.is_crossed((0, 15), (5, 15)));
        assert!(!frame.is_crossed((0, 12), (12, 0)));
    }
}
