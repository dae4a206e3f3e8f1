//! Layered layout of directed graphs: ranks from top to bottom, few crossings, straight lines where possible.
//!
//! The usual four steps (Sugiyama, Tagawa and Toda 1981): ranks by longest path, order by barycentres, positions by
//! least squares, edges through reserved lanes. The available crates either do not return the routes of edges or let
//! boxes of different widths overlap.

/// Space between boxes side by side, and between ranks.
const GAP: f64 = 18.0;
const RANK_GAP: f64 = 34.0;
/// Width that an edge reserves in each rank that it passes.
const LANE: f64 = 14.0;
const SWEEPS: usize = 12;

/// A box to place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Centres of the boxes and routes of the edges.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) centres: Vec<(f64, f64)>,
    /// For each edge the points it goes through, from below its source to above its target.
    pub(super) ways: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A box, or the lane of an edge that passes a rank.
struct Item {
    width: f64,
    rank: usize,
    /// Neighbours in the rank above and below.
    above: Vec<usize>,
    below: Vec<usize>,
}

/// Places boxes. Every edge goes from a lower to a higher index.
pub(super) fn layout(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let ranks = ranks(sizes.len(), edges);
    let (items, chains) = with_lanes(sizes, edges, &ranks);
    let order = ordered(&items);
    let (x, width) = positions(&items, &order);
    let mut heights = vec![0.0_f64; order.len()];
    for (size, rank) in sizes.iter().zip(&ranks) {
        heights[*rank] = heights[*rank].max(size.height);
    }
    let mut middles = Vec::new();
    let mut y = GAP;
    for height in &heights {
        middles.push(y + height / 2.0);
        y += height + RANK_GAP;
    }
    let centre = |i: usize| (x[i], middles[items[i].rank]);
    let way = |chain: &Vec<usize>| {
        let last = chain.len() - 1;
        let end = |i: usize, sign: f64| (centre(i).0, centre(i).1 + sign * sizes[i].height / 2.0);
        let mut points = vec![end(chain[0], 1.0)];
        for &lane in &chain[1..last] {
            let half = heights[items[lane].rank] / 2.0;
            points.extend([(x[lane], centre(lane).1 - half), (x[lane], centre(lane).1 + half)]);
        }
        points.push(end(chain[last], -1.0));
        points
    };
    let centres = (0..sizes.len()).map(centre).collect();
    Layout { centres, ways: chains.iter().map(way).collect(), width, height: (y - RANK_GAP + GAP).max(GAP) }
}

/// Longest path from a source; a source is just above its first reader.
fn ranks(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; count];
    let mut sorted = edges.to_vec();
    sorted.sort_unstable();
    for &(from, to) in &sorted {
        ranks[to] = ranks[to].max(ranks[from] + 1);
    }
    for node in 0..count {
        if !edges.iter().any(|e| e.1 == node)
            && let Some(first) = edges.iter().filter(|e| e.0 == node).map(|e| ranks[e.1]).min()
        {
            ranks[node] = first - 1;
        }
    }
    ranks
}

/// Boxes, then a lane for each rank that an edge passes; and for each edge the items that it connects.
fn with_lanes(sizes: &[Size], edges: &[(usize, usize)], ranks: &[usize]) -> (Vec<Item>, Vec<Vec<usize>>) {
    let item = |width, rank| Item { width, rank, above: Vec::new(), below: Vec::new() };
    let mut items: Vec<Item> = sizes.iter().zip(ranks).map(|(s, r)| item(s.width, *r)).collect();
    let mut chains = Vec::new();
    for &(from, to) in edges {
        let mut chain = vec![from];
        for rank in ranks[from] + 1..ranks[to] {
            chain.push(items.len());
            items.push(item(LANE, rank));
        }
        chain.push(to);
        for pair in chain.windows(2) {
            items[pair[0]].below.push(pair[1]);
            items[pair[1]].above.push(pair[0]);
        }
        chains.push(chain);
    }
    (items, chains)
}

/// Items of each rank from left to right: sweeps down and up, and keeps the order with the fewest crossings.
fn ordered(items: &[Item]) -> Vec<Vec<usize>> {
    let mut order = vec![Vec::new(); items.iter().map(|i| i.rank + 1).max().unwrap_or(0)];
    for (i, item) in items.iter().enumerate() {
        order[item.rank].push(i);
    }
    let mut best = (crossings(items, &order), order.clone());
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let mut place = vec![0.0; items.len()];
        let ranks: Vec<usize> = if down { (0..order.len()).collect() } else { (0..order.len()).rev().collect() };
        for rank in ranks {
            for (position, &i) in order[rank].iter().enumerate() {
                let neighbours = if down { &items[i].above } else { &items[i].below };
                let sum: f64 = neighbours.iter().map(|&n| place[n]).sum();
                place[i] = if neighbours.is_empty() { position as f64 } else { sum / neighbours.len() as f64 };
            }
            order[rank].sort_by(|&a, &b| place[a].total_cmp(&place[b]));
            for (position, &i) in order[rank].iter().enumerate() {
                place[i] = position as f64;
            }
        }
        let number = crossings(items, &order);
        if number < best.0 {
            best = (number, order.clone());
        }
    }
    best.1
}

fn crossings(items: &[Item], order: &[Vec<usize>]) -> usize {
    let mut place = vec![0; items.len()];
    for (position, &i) in order.iter().flat_map(|rank| rank.iter().enumerate()) {
        place[i] = position;
    }
    let between = |rank: &Vec<usize>| {
        let mut ends: Vec<(usize, usize)> = rank
            .iter()
            .flat_map(|&i| items[i].below.iter().map(move |&b| (i, b)))
            .map(|(a, b)| (place[a], place[b]))
            .collect();
        ends.sort_unstable();
        let inversions = |(i, (_, b)): (usize, &(usize, usize))| ends[i + 1..].iter().filter(|e| e.1 < *b).count();
        ends.iter().enumerate().map(inversions).sum::<usize>()
    };
    order.iter().map(between).sum()
}

/// Horizontal centres: moves each rank in turn as near to its neighbours' mean as its order and widths allow.
fn positions(items: &[Item], order: &[Vec<usize>]) -> (Vec<f64>, f64) {
    let mut x = vec![0.0; items.len()];
    for rank in order {
        let wanted = vec![0.0; rank.len()];
        spread(items, rank, &wanted, &mut x);
    }
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let ranks: Vec<&Vec<usize>> = if down { order.iter().collect() } else { order.iter().rev().collect() };
        for rank in ranks {
            let want = |&i: &usize| {
                let near = if down { &items[i].above } else { &items[i].below };
                if near.is_empty() { x[i] } else { near.iter().map(|&n| x[n]).sum::<f64>() / near.len() as f64 }
            };
            let wanted: Vec<f64> = rank.iter().map(want).collect();
            spread(items, rank, &wanted, &mut x);
        }
    }
    let left = (0..items.len()).map(|i| x[i] - items[i].width / 2.0).fold(f64::INFINITY, f64::min);
    let right = (0..items.len()).map(|i| x[i] + items[i].width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    if items.is_empty() {
        return (x, 2.0 * GAP);
    }
    x.iter_mut().for_each(|v| *v += GAP - left);
    (x, right - left + 2.0 * GAP)
}

/// Least-squares positions with gaps between neighbours: items that would overlap move together in pools.
fn spread(items: &[Item], rank: &[usize], wanted: &[f64], x: &mut [f64]) {
    // After subtracting offsets, "no overlap" means "not decreasing", which the pool-adjacent-violators algorithm
    // solves.
    let mut offsets = vec![0.0; rank.len()];
    for i in 1..rank.len() {
        offsets[i] = offsets[i - 1] + items[rank[i - 1]].width / 2.0 + items[rank[i]].width / 2.0 + GAP;
    }
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (want, offset) in wanted.iter().zip(&offsets) {
        let mut pool = (want - offset, 1);
        while let Some(&(sum, count)) = pools.last()
            && sum / count as f64 > pool.0 / pool.1 as f64
        {
            pools.pop();
            pool = (pool.0 + sum, pool.1 + count);
        }
        pools.push(pool);
    }
    let values = pools.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    for ((value, offset), &i) in values.zip(offsets).zip(rank) {
        x[i] = value + offset;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes(count: usize) -> Vec<Size> {
        (0..count).map(|i| Size { width: 30.0 + 17.0 * (i % 5) as f64, height: 24.0 }).collect()
    }

    fn overlaps(sizes: &[Size], layout: &Layout) -> bool {
        let apart = |i: usize, j: usize| {
            let ((ax, ay), (bx, by)) = (layout.centres[i], layout.centres[j]);
            (ax - bx).abs() >= f64::midpoint(sizes[i].width, sizes[j].width) - 1e-6
                || (ay - by).abs() >= f64::midpoint(sizes[i].height, sizes[j].height) - 1e-6
        };
        (0..sizes.len()).any(|i| (0..i).any(|j| !apart(i, j)))
    }

    #[test]
    fn a_chain_is_straight_and_a_diamond_has_no_crossing() {
        let chain = layout(&sizes(4), &[(0, 1), (1, 2), (2, 3)]);
        assert!(chain.centres.iter().all(|c| (c.0 - chain.centres[0].0).abs() < 1e-6));
        let diamond = layout(&sizes(4), &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(diamond.centres[1].1, diamond.centres[2].1);
        assert_ne!(diamond.centres[1].0, diamond.centres[2].0);
        assert!(layout(&[], &[]).width.is_finite());
    }

    proptest! {
        #[test]
        fn boxes_never_overlap_and_edges_go_down(
            count in 1_usize..30,
            raw in proptest::collection::vec((0_usize..30, 0_usize..30), 0..60),
        ) {
            let edges: Vec<(usize, usize)> = raw.into_iter().filter(|(a, b)| a < b && *b < count).collect();
            let sizes = sizes(count);
            let placed = layout(&sizes, &edges);
            prop_assert!(!overlaps(&sizes, &placed));
            for ((from, to), way) in edges.iter().zip(&placed.ways) {
                prop_assert!(placed.centres[*from].1 < placed.centres[*to].1);
                prop_assert!(way.windows(2).all(|w| w[0].1 <= w[1].1));
            }
            for (centre, size) in placed.centres.iter().zip(&sizes) {
                prop_assert!(centre.0 - size.width / 2.0 >= 0.0 && centre.0 + size.width / 2.0 <= placed.width);
                prop_assert!(centre.1 + size.height / 2.0 <= placed.height);
            }
        }
    }
}
