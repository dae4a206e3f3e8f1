//! Supernets: parameter counts, gradients of every mode, and that only the selected path is computed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_graph::{Arch, Graph, GraphBuilder, NodeId, Op};
use nasprof_search::selection::{DiscretizationRule, Relaxation};
use nasprof_spaces::Space;
use nasprof_testkit::draws;
use nasprof_train::supernet::{Distribution, Path, Phase, Supernet};
use tch::{Device, Kind, Tensor};

fn supernet(graph: Graph) -> Supernet {
    Supernet::new(graph, 7, Device::Cpu).unwrap()
}

/// Overwrites a parameter.
fn set(net: &Supernet, name: &str, values: &[f32]) {
    let mut tensor = net.parameters().find(name).unwrap().tensor.detach();
    tensor.copy_(&Tensor::from_slice(values).view_as(&tensor));
}

fn get(net: &Supernet, name: &str) -> Vec<f64> {
    net.parameters().find(name).unwrap().tensor.flatten(0, -1).iter::<f64>().unwrap().collect()
}

fn close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance, "{actual:?} is not {expected:?}");
    }
}

/// Trainable parameters, and all with the running statistics, of NNabla-NAS' supernets.
#[test]
fn sizes_of_the_reference() {
    for (space, trainable, all) in
        [("darts-cifar10", 1_987_194, 2_043_866), ("mobilenet-cifar10", 11_461_370, 11_650_138)]
    {
        let net = supernet(Space::builtin(space).unwrap().graph);
        assert_eq!(net.parameters().trainable_count(), trainable, "{space}");
        let total: usize = net.parameters().all().iter().map(|p| p.tensor.numel()).sum();
        assert_eq!(total, all, "{space}");
    }
}

/// Convolution 3 to 64 with a 3x3 kernel: within 0.0997509, as measured on the reference.
#[test]
fn weights_start_as_in_the_reference() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 3, 8, 8]).unwrap();
    let y = b.add("conv", Op::conv(64, 3, 1, 1).with_bias(), &[x]).unwrap();
    let net = supernet(b.build(&[y]).unwrap());
    let largest = get(&net, "conv/weight").into_iter().map(f64::abs).fold(0.0, f64::max);
    assert!(largest <= 0.099_751 && largest > 0.098, "{largest}");
    assert!(get(&net, "conv/bias").iter().all(|&b| b == 0.0));
}

/// Three candidates `x`, `2x`, `4x` of one number.
fn multiples() -> Supernet {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 1, 1, 1]).unwrap();
    let built = ["one", "two", "four"].map(|name| (name.to_owned(), b.add(name, Op::conv(1, 1, 1, 0), &[x]).unwrap()));
    let y = b.choice("choice", built.to_vec()).unwrap();
    let net = supernet(b.build(&[y]).unwrap());
    for (name, factor) in [("one", 1.0), ("two", 2.0), ("four", 4.0)] {
        set(&net, &format!("{name}/weight"), &[factor]);
    }
    net
}

/// Measured on NNabla-NAS' `MixedOp`: alphas (0, ln 2, 0), x = 3 give y = 6.75 and the gradient (-0.9375, -0.375, 1.3125).
#[test]
fn full_mode_of_the_reference() {
    let net = multiples();
    let distribution = Distribution::uniform(net.choices()).unwrap();
    let mut alphas = distribution.alphas()[0].detach();
    alphas.copy_(&Tensor::from_slice(&[0.0, 2.0_f64.ln(), 0.0]));
    let x = Tensor::from_slice(&[3.0_f32]).view([1, 1, 1, 1]);
    let probabilities = distribution.tensors(Device::Cpu).unwrap();
    let output = net.forward(&x, Path::Mixed(&probabilities), Phase::Train).unwrap();
    let y = output.values[0].sum(Kind::Float);
    assert!((y.double_value(&[]) - 6.75).abs() < 1e-6);
    let gradient = Tensor::run_backward(&[&y], distribution.alphas(), true, false);
    let gradient: Vec<f64> = gradient[0].iter::<f64>().unwrap().collect();
    close(&gradient, &[-0.9375, -0.375, 1.3125], 1e-6);
    // The same by hand: the gradient with respect to the probabilities is the candidates' values.
    let p = distribution.probabilities();
    let through_softmax =
        Relaxation::new(&DiscretizationRule::PerChoice, &p, 1.0).pull_back(&p, &[vec![3.0, 6.0, 12.0]]);
    close(&through_softmax[0], &gradient, 1e-6);
}

/// NNabla-NAS' `MixedOp`: three equal candidates give -2/3 for the chosen one and 1/3 for the others.
#[test]
fn score_of_a_sample() {
    let net = multiples();
    let distribution = Distribution::uniform(net.choices()).unwrap();
    close(&distribution.score_gradient(&Arch(vec![1]))[0], &[1.0 / 3.0, -2.0 / 3.0, 1.0 / 3.0], 1e-12);
    assert_eq!(distribution.most_probable(), Arch(vec![0]));
}

/// Each block of a chain chooses between two convolutions with batch normalisation, a smooth function and nothing.
fn chain(blocks: usize) -> Graph {
    let mut b = GraphBuilder::new();
    let mut x = b.input("x", [1, 3, 5, 5]).unwrap();
    for i in 0..blocks {
        x = b
            .scope(i.to_string(), |b| {
                let mut built: Vec<(String, NodeId)> = Vec::new();
                for (name, kernel) in [("small", 1), ("large", 3)] {
                    let y = b.scope(name, |b| {
                        let y = b.add("conv", Op::conv(3, kernel, 1, kernel / 2), &[x])?;
                        let y = b.add("bn", Op::batch_norm(), &[y])?;
                        b.add("tanh", Op::Tanh, &[y])
                    })?;
                    built.push((name.to_owned(), y));
                }
                built.push(("skip".to_owned(), b.add("skip", Op::Identity, &[x])?));
                built.push(("none".to_owned(), b.add("none", Op::Zero { stride: [1, 1] }, &[x])?));
                let y = b.choice("choice", built)?;
                b.add("sum", Op::Add, &[x, y])
            })
            .unwrap();
    }
    b.build(&[x]).unwrap()
}

fn batch(seed: u64) -> Tensor {
    Tensor::from_slice(&draws::normal(seed, 4 * 3 * 5 * 5)).view([4, 3, 5, 5])
}

fn loss(net: &Supernet, x: &Tensor, path: Path<'_>) -> Tensor {
    let y = net.forward(x, path, Phase::Train).unwrap().values.remove(0);
    (&y * &y * &y + &y).mean(Kind::Double)
}

/// Compares a gradient with the difference quotient along a random direction.
fn check_gradient(tensors: &[Tensor], gradient: &[Tensor], loss: impl Fn() -> f64) {
    let random = |(i, t): (usize, &Tensor)| {
        Tensor::from_slice(&draws::normal(99 + i as u64, t.numel())).view_as(t).to_kind(t.kind())
    };
    let directions: Vec<Tensor> = tensors.iter().enumerate().map(random).collect();
    let expected: f64 =
        gradient.iter().zip(&directions).map(|(g, d)| (g * d).sum(Kind::Double).double_value(&[])).sum();
    let step = 1e-3;
    let moved = |by: f64| {
        for (tensor, direction) in tensors.iter().zip(&directions) {
            let mut tensor = tensor.detach();
            tensor += direction * by;
        }
        loss()
    };
    let quotient = (moved(step) - moved(-2.0 * step)) / (2.0 * step);
    moved(step);
    assert!((quotient - expected).abs() < 2e-3 * expected.abs().max(1.0), "{quotient} {expected}");
    assert!(expected.abs() > 1e-2, "the direction tells nothing: {expected}");
}

#[test]
fn gradients_of_the_weights_are_those_of_the_loss() {
    let net = supernet(chain(3));
    let x = batch(1);
    let distribution = Distribution::uniform(net.choices()).unwrap();
    let probabilities: Vec<Tensor> = distribution.tensors(Device::Cpu).unwrap().iter().map(Tensor::detach).collect();
    let (sampled, maximum) = (Arch(vec![1, 3, 0]), distribution.most_probable());
    for path in [Path::Selected(&sampled), Path::Selected(&maximum), Path::Mixed(&probabilities)] {
        let output = net.forward(&x, path, Phase::Train).unwrap();
        let gradients = net.gradients(&loss(&net, &x, path), &output.parameters).unwrap();
        let (indices, gradients): (Vec<usize>, Vec<Tensor>) = gradients.into_iter().unzip();
        assert_eq!(indices, output.parameters);
        let tensors: Vec<Tensor> = indices.iter().map(|&i| net.parameters().all()[i].tensor.shallow_clone()).collect();
        check_gradient(&tensors, &gradients, || loss(&net, &x, path).double_value(&[]));
    }
}

#[test]
fn gradients_of_the_alphas_are_those_of_the_loss() {
    let net = supernet(chain(3));
    let x = batch(2);
    let distribution = Distribution::uniform(net.choices()).unwrap();
    let full = || loss(&net, &x, Path::Mixed(&distribution.tensors(Device::Cpu).unwrap()));
    let gradient = Tensor::run_backward(&[&full()], distribution.alphas(), false, false);
    check_gradient(distribution.alphas(), &gradient, || full().double_value(&[]));
}

/// In expectation the score gradient is that of the expected loss: enumerated, weighted and summed.
#[test]
fn the_score_gradient_is_unbiased() {
    let net = supernet(chain(2));
    let x = batch(3);
    let distribution = Distribution::uniform(net.choices()).unwrap();
    let mut first = distribution.alphas()[0].detach();
    first.copy_(&Tensor::from_slice(&[0.3, -0.4, 0.9, 0.1]));
    let archs: Vec<Arch> = (0..16).map(|i| Arch(vec![i / 4, i % 4])).collect();
    let losses: Vec<f64> = archs.iter().map(|arch| loss(&net, &x, Path::Selected(arch)).double_value(&[])).collect();
    let weight = |arch: &Arch| -> f64 {
        distribution.probabilities().iter().zip(&arch.0).map(|(p, &k)| p[usize::from(k)]).product()
    };
    let expected = || archs.iter().zip(&losses).map(|(arch, loss)| weight(arch) * loss).sum::<f64>();
    let mut gradient = [[0.0; 4]; 2];
    for (arch, loss) in archs.iter().zip(&losses) {
        for (row, score) in gradient.iter_mut().zip(distribution.score_gradient(arch)) {
            row.iter_mut().zip(score).for_each(|(g, s)| *g -= weight(arch) * loss * s);
        }
    }
    let gradient = gradient.map(|row| Tensor::from_slice(&row));
    check_gradient(distribution.alphas(), &gradient, expected);
}

#[test]
fn only_the_selected_path_is_computed() {
    let net = supernet(chain(2));
    let x = batch(4);
    let used = |output: Vec<usize>| -> Vec<String> {
        output.into_iter().map(|i| net.parameters().all()[i].name.clone()).collect()
    };
    // A normalisation that runs moves its statistics.
    let moved = |name: &str| get(&net, &format!("{name}/bn/mean")).iter().any(|&m| m != 0.0);
    let arch = Arch(vec![1, 2]);
    let output = net.forward(&x, Path::Selected(&arch), Phase::Train).unwrap();
    assert_eq!(used(output.parameters), ["0/large/bn/scale", "0/large/bn/shift", "0/large/conv/weight"]);
    assert_eq!(["0/small", "0/large", "1/small", "1/large"].map(moved), [false, true, false, false]);
    // What feeds a zero only is not computed either.
    let nothing = net.forward(&x, Path::Selected(&Arch(vec![3, 3])), Phase::Train).unwrap();
    assert!(nothing.parameters.is_empty());
    assert_eq!(nothing.values[0], x);
    // The control: the weighted sum needs all of them.
    let distribution = Distribution::uniform(net.choices()).unwrap();
    let probabilities = distribution.tensors(Device::Cpu).unwrap();
    assert_eq!(net.forward(&x, Path::Mixed(&probabilities), Phase::Train).unwrap().parameters.len(), 12);
    assert!(["0/small", "0/large", "1/small", "1/large"].map(moved).iter().all(|&m| m));
}

/// NNabla-NAS' `BatchNormalization`: from mean 0 and variance 1, one step on {1, 2, 3, 4} gives 0.25 and 1.06667.
#[test]
fn running_statistics_of_the_reference() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 1, 2, 2]).unwrap();
    let y = b.add("bn", Op::batch_norm(), &[x]).unwrap();
    let net = supernet(b.build(&[y]).unwrap());
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).view([1, 1, 2, 2]);
    let nowhere = Arch(Vec::new());
    net.forward(&x, Path::Selected(&nowhere), Phase::Evaluate).unwrap();
    close(&get(&net, "bn/mean"), &[0.0], 0.0);
    net.forward(&x, Path::Selected(&nowhere), Phase::Train).unwrap();
    close(&get(&net, "bn/mean"), &[0.25], 1e-6);
    close(&get(&net, "bn/variance"), &[1.066_667], 1e-6);
}

/// NNabla-NAS' `DropPath`: with p = 0.3 a branch is multiplied by 0 or 1.428571, for a whole sample.
#[test]
fn paths_are_dropped_by_sample() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 2, 2, 2]).unwrap();
    let y = b.add("drop", Op::DropPath { probability: 0.3 }, &[x]).unwrap();
    let net = supernet(b.build(&[y]).unwrap());
    let x = Tensor::ones([1000, 2, 2, 2], (Kind::Float, Device::Cpu));
    let run = |phase| net.forward(&x, Path::Selected(&Arch(Vec::new())), phase).unwrap().values.remove(0);
    let y = run(Phase::Train).view([1000, 8]);
    let samples: Vec<Vec<f64>> = Vec::try_from(y.to_kind(Kind::Double)).unwrap();
    let kept = samples.iter().filter(|s| s[0] > 0.0).count();
    for sample in &samples {
        assert!(sample.iter().all(|v| *v == sample[0] && (*v == 0.0 || (v - 1.428_571).abs() < 1e-5)));
    }
    // Six standard deviations around 700.
    assert!(kept.abs_diff(700) < 87, "{kept}");
    assert_eq!(run(Phase::Evaluate), x);
}

#[test]
fn what_does_not_fit_is_refused() {
    let net = supernet(chain(2));
    let fails = |x: &Tensor, path: Path<'_>| net.forward(x, path, Phase::Train).unwrap_err().to_string();
    let x = batch(1);
    for arch in [vec![], vec![0], vec![0, 4], vec![0, 0, 0]] {
        let arch = Arch(arch);
        assert_eq!(fails(&x, Path::Selected(&arch)), "the path does not fit the network's choices");
    }
    assert_eq!(fails(&x, Path::Mixed(&[])), "the path does not fit the network's choices");
    let small = x.narrow(2, 0, 4);
    let message = "a batch of shape [4, 3, 4, 5] does not fit the network's input [3, 5, 5]";
    let arch = Arch(vec![0, 0]);
    assert_eq!(fails(&small, Path::Selected(&arch)), message);
}

/// Nodes that share a tensor use its first channels and the middle of its kernel.
#[test]
fn elastic_layers_use_a_part_of_one_tensor() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 1, 5, 5]).unwrap();
    let built = [3, 5].map(|kernel| {
        let y = b.scope(format!("k{kernel}"), |b| {
            b.sharing("shared", |b| b.add("conv", Op::conv(1, kernel, 1, kernel / 2), &[x]))
        });
        (format!("k{kernel}"), y.unwrap())
    });
    let y = b.choice("choice", built.to_vec()).unwrap();
    let net = supernet(b.build(&[y]).unwrap());
    assert_eq!(net.parameters().all().len(), 1);
    let values: Vec<f32> = (0..25).map(|i| i as f32).collect();
    set(&net, "shared/conv/weight", &values);
    let mut x = Tensor::zeros([1, 1, 5, 5], (Kind::Float, Device::Cpu));
    let _ = x.narrow(2, 2, 1).narrow(3, 2, 1).fill_(1.0);
    x = x.contiguous();
    let run = |k: u16| net.forward(&x, Path::Selected(&Arch(vec![k])), Phase::Train).unwrap().values.remove(0);
    let row = |t: &Tensor| -> Vec<f64> { t.select(2, 2).flatten(0, -1).iter::<f64>().unwrap().collect() };
    // An impulse gives the kernel back, mirrored.
    close(&row(&run(1)), &[14.0, 13.0, 12.0, 11.0, 10.0], 1e-6);
    close(&row(&run(0)), &[0.0, 13.0, 12.0, 11.0, 0.0], 1e-6);
}

/// The running statistics become the mean over the batches, whatever they were before.
#[test]
fn recalibrated_statistics_are_the_mean_over_the_batches() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 1, 1, 2]).unwrap();
    let y = b.add("bn", Op::batch_norm(), &[x]).unwrap();
    let net = supernet(b.build(&[y]).unwrap());
    let batch = |values: [f32; 4]| Tensor::from_slice(&values).view([2, 1, 1, 2]);
    let run = |first: Phase, second: Phase| {
        set(&net, "bn/mean", &[100.0]);
        set(&net, "bn/variance", &[50.0]);
        for (values, phase) in [([1.0, 3.0, 1.0, 3.0], first), ([5.0, 5.0, 9.0, 9.0], second)] {
            net.forward(&batch(values), Path::Selected(&Arch(Vec::new())), phase).unwrap();
        }
        [get(&net, "bn/mean")[0], get(&net, "bn/variance")[0]]
    };
    // Means 2 and 7; unbiased variances 4/3 and 16/3.
    let recalibrated = run(Phase::Recalibrate { before: 0 }, Phase::Recalibrate { before: 1 });
    close(&recalibrated, &[4.5, 10.0 / 3.0], 1e-5);
    // The controls: a training moves the old values, and judging leaves them.
    close(
        &run(Phase::Train, Phase::Train),
        &[0.81 * 100.0 + 0.09 * 2.0 + 0.1 * 7.0, 0.81 * 50.0 + 0.12 + 1.6 / 3.0],
        1e-4,
    );
    close(&run(Phase::Judge, Phase::Judge), &[100.0, 50.0], 0.0);
}
