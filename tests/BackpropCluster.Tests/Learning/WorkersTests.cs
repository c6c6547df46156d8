using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Grains.Actors;
using CsCheck;

namespace BackpropCluster.Tests.Learning;

/// <summary>A layer that several cores compute has the bits of one core's.</summary>
public class WorkersTests
{
    /// <summary>A sum that no block holds would never be computed; one that two hold would be written by two cores at
    /// once.</summary>
    [Fact]
    public void EachSumIsInExactlyOneBlock() =>
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 300], Gen.Int[1, 70], Gen.Long[2, 300])
            .Sample(
                (units, columns, cores, most) =>
                {
                    var grid = BlockGrid.Cut(units, columns, cores, most);
                    var computed = new int[units * columns];
                    for (var block = 0; block < grid.Blocks; block++)
                    {
                        var (from, width) = grid[block].Columns.GetOffsetAndLength(columns);
                        for (var unit = 0; unit < grid[block].Units; unit++)
                        for (var column = from; column < from + width; column++)
                            computed[(grid[block].From + unit) * columns + column]++;
                    }

                    return computed.All(times => times == 1);
                },
                iter: 2000
            );

    private const int Rows = 96;

    private static readonly RunSpec Spec = new()
    {
        Name = "wide",
        Seed = 3,
        Data = new DataSpec { Source = DataSource.Digits, Batch = Rows },
        Model = new ModelSpec
        {
            Layers =
            [
                new()
                {
                    Units = 203,
                    Activation = Activation.Tanh,
                    Init = WeightInit.GlorotUniform,
                },
                new()
                {
                    Units = 190,
                    Activation = Activation.Identity,
                    Init = WeightInit.GlorotUniform,
                },
            ],
            Loss = LossKind.HalfSquaredError,
        },
        Optimizer = new Sgd { LearningRate = 0.1 },
        Training = new TrainingSpec { Epochs = 1 },
    };

    [Fact]
    public void ALayerThatIsCutAmongCoresHasTheSameBits()
    {
        var cut = new LastPieceFirst(3);
        var (whole, pieces) = (Step(OneWorker.Instance), Step(cut));
        Assert.Equal(4, cut.Runs);
        for (var i = 0; i < whole.Length; i++)
            Assert.Equal(
                whole[i].Select(BitConverter.DoubleToInt64Bits),
                pieces[i].Select(BitConverter.DoubleToInt64Bits)
            );
    }

    /// <summary>A schedule may end at 0: the weights stay, and are not taken for gradients.</summary>
    [Fact]
    public void ARateOfZeroLeavesTheWeights()
    {
        var shard = new DenseShard(
            Spec with
            {
                Optimizer = new Sgd { LearningRate = 0 },
            },
            features: 3,
            layer: 1,
            first: 0,
            units: 5
        );
        Assert.True(shard.PrepareWeights([1, 2, 3], [1, 2, 3, 4, 5], 1, 1));
        Assert.Equal(shard.Weights.Values, shard.Weights.Pending);
    }

    [Fact]
    public void EveryPieceRunsOnceOnTheCoresOfTheProcess()
    {
        var workers = new PoolWorkers(4);
        for (var turn = 0; turn < 200; turn++)
        {
            var runs = new int[9];
            workers.Run(runs.Length, piece => Interlocked.Increment(ref runs[piece]));
            Assert.All(runs, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void WhatAPieceThrowsComesToTheOneThatAsked()
    {
        var ran = 0;
        var thrown = Assert.Throws<InvalidOperationException>(() =>
            new PoolWorkers(2).Run(
                5,
                piece =>
                {
                    Interlocked.Increment(ref ran);
                    if (piece == 3)
                        throw new InvalidOperationException("piece 3");
                }
            )
        );
        Assert.Equal("piece 3", thrown.Message);
        Assert.Equal(5, ran);
    }

    private static double[][] Step(IWorkers workers)
    {
        var shard = new DenseShard(Spec, features: 310, layer: 1, first: 0, units: 203, workers: workers);
        // All different, or a piece that took another's biases would not be found.
        Numbers(203, 3).CopyTo(shard.Biases.Values, 0);
        double[] x = Numbers(310 * Rows, 1),
            above = Numbers(190 * Rows, 2),
            z = new double[203 * Rows],
            s = new double[203 * Rows];
        shard.PreActivations(x, Rows, z);
        double[] y = [.. z];
        shard.Activate(y, y);
        shard.OutputGradients(above, Rows, s);
        double[] gradients = [.. shard.WeightGradients(x, s, Rows)];
        Assert.True(shard.PrepareWeights(x, s, Rows, 1));
        // One pass with the product, and the gradients first and their update then: the same.
        var expected = gradients.Zip(shard.Weights.Values, (g, w) => Math.FusedMultiplyAdd(-0.1, g, w)).ToArray();
        Assert.Equal(expected, shard.Weights.Pending);
        return [z, y, s, gradients, shard.Weights.Pending];
    }

    private static double[] Numbers(int count, uint group)
    {
        var random = new CounterRandom(1, RandomPurpose.Simulation, group);
        return [.. Enumerable.Range(0, count).Select(i => random.Normal((ulong)i))];
    }

    private sealed class LastPieceFirst(int free) : IWorkers
    {
        public int Runs { get; private set; }

        public int Free => free;

        public void Run(int pieces, Action<int> work)
        {
            Runs++;
            Assert.InRange(pieces, free, int.MaxValue);
            for (var piece = pieces - 1; piece >= 0; piece--)
                work(piece);
        }
    }
}
