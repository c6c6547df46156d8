using System.Collections.Immutable;
using BackpropCluster.Core.Data;

namespace BackpropCluster.Core.Learning;

/// <summary>One loop in one process: the oracle of every other test. Shares no kernel, shard or message with what it
/// judges.</summary>
/// <remarks>Row by row and sum by sum as the formulas stand; slow on purpose where speed would cost a line.</remarks>
public sealed class ReferenceTrainer
{
    private readonly RunSpec spec;
    private readonly Dataset data;
    private readonly BatchOrder order;
    private readonly int depth;
    private readonly double[][][] weights; // [layer][unit][input]
    private readonly double[][] biases;

    // the optimizer's, one per parameter; input −1 for a bias
    private readonly Dictionary<(int Layer, int Unit, int Input), double[]> states = [];

    private ReferenceTrainer(RunSpec spec, Dataset data)
    {
        (this.spec, this.data, depth) = (spec, data, spec.Model.Layers.Length);
        order = new BatchOrder(spec.Data, spec.Training.Epochs, spec.Seed, data.Training.Count);
        weights = new double[depth][][];
        biases = new double[depth][];
        for (var l = 0; l < depth; l++)
        {
            var layer = spec.Model.Layers[l];
            var inputs = spec.Model.InputsOf(l + 1, data.Features);
            weights[l] =
            [
                .. Enumerable
                    .Range(0, layer.Units)
                    .Select(o =>
                        Enumerable
                            .Range(0, inputs)
                            .Select(i => layer.InitialWeight(spec.Seed, l + 1, inputs, o, i))
                            .ToArray()
                    ),
            ];
            biases[l] = [.. Enumerable.Range(0, layer.Units).Select(o => layer.InitialBias(l + 1, o))];
        }
    }

    /// <summary>Trains to the end.</summary>
    /// <param name="spec">The run.</param>
    /// <param name="data">Its rows.</param>
    /// <param name="watch">Called with the step (1, 2, …) and the parameters before its update, and once more after the
    /// last.</param>
    public static TrainingResult Train(
        RunSpec spec,
        Dataset data,
        Action<int, ImmutableArray<LayerParameters>>? watch = null
    )
    {
        var trainer = new ReferenceTrainer(spec, data);
        var steps = ImmutableArray.CreateBuilder<BatchMetrics>();
        var evaluations = ImmutableArray.CreateBuilder<EvaluationMetrics>();
        for (var step = 1; step <= trainer.order.Steps; step++)
        {
            watch?.Invoke(step, trainer.Parameters());
            steps.Add(trainer.Step(step));
            if (
                spec.Training.Evaluation == Evaluation.TestRowsEachEpoch
                && data.Test.Count > 0
                && trainer.order.EndsEpoch(step)
            )
            {
                evaluations.Add(new(step, trainer.Evaluate(data.Test)));
                if (spec.Training.Stop?.IsMet(evaluations[^1].Score) == true)
                    break;
            }
        }

        watch?.Invoke(steps.Count + 1, trainer.Parameters());
        if (spec.Training.Evaluation == Evaluation.TrainingRowsAtTheEnd)
            evaluations.Add(new(steps.Count, trainer.Evaluate(data.Training)));
        return new TrainingResult(trainer.Parameters(), steps.ToImmutable(), evaluations.ToImmutable());
    }

    private BatchMetrics Step(int step)
    {
        var rows = order.CountOf(step);
        var microbatches = Enumerable
            .Range(0, order.Microbatches)
            .Select(m => new Microbatch(this, order.RowsOf(step, m)))
            .ToArray();
        foreach (var part in microbatches)
            part.Forward();
        var loss = 0.0;
        var correct = 0;
        foreach (var part in microbatches)
            (loss, correct) = part.Loss(rows, loss, correct);
        foreach (var part in microbatches)
            part.Backward(step);
        Update(microbatches, spec.Optimizer.At(step));
        return new BatchMetrics(loss / rows, data.HasClasses ? correct : null, rows);
    }

    private void Update(Microbatch[] microbatches, OptimizerStep rule)
    {
        for (var l = 0; l < depth; l++)
        for (var o = 0; o < weights[l].Length; o++)
        {
            for (var i = 0; i < weights[l][o].Length; i++)
                weights[l][o][i] = rule.Apply(
                    weights[l][o][i],
                    TreeSum(microbatches, part => part.WeightGradient(l, o, i)),
                    State(l, o, i)
                );
            if (spec.Model.Layers[l].TrainBias)
                biases[l][o] = rule.Apply(
                    biases[l][o],
                    TreeSum(microbatches, part => part.BiasGradient(l, o)),
                    State(l, o, -1)
                );
        }
    }

    private double[] State(int l, int o, int i)
    {
        if (spec.Optimizer.StateSize == 0)
            return [];
        if (!states.TryGetValue((l, o, i), out var state))
            states.Add((l, o, i), state = new double[spec.Optimizer.StateSize]);
        return state;
    }

    private static double TreeSum(ReadOnlySpan<Microbatch> parts, Func<Microbatch, double> gradient)
    {
        if (parts.Length == 1)
            return gradient(parts[0]);
        var middle = (parts.Length + 1) / 2;
        return TreeSum(parts[..middle], gradient) + TreeSum(parts[middle..], gradient);
    }

    private BatchMetrics Evaluate(RowSet rows)
    {
        var (loss, correct) = (0.0, 0);
        for (var row = 0; row < rows.Count; row++)
        {
            var y = rows.Inputs([row]);
            for (var l = 0; l < depth; l++)
                y = Activations(l, Nets(l, y));
            loss += spec.Model.Loss.Value(y, rows.Target(row));
            if (LossRules.IsCorrect(y, rows.Target(row)))
                correct++;
        }

        return new BatchMetrics(loss / rows.Count, data.HasClasses ? correct : null, rows.Count);
    }

    /// <summary>z of one row of layer l + 1.</summary>
    private double[] Nets(int l, double[] x)
    {
        var nets = new double[weights[l].Length];
        for (var o = 0; o < nets.Length; o++)
        {
            nets[o] = biases[l][o];
            for (var i = 0; i < x.Length; i++)
                nets[o] = Math.FusedMultiplyAdd(weights[l][o][i], x[i], nets[o]);
        }

        return nets;
    }

    private double[] Activations(int l, double[] nets) =>
        [.. nets.Select(net => spec.Model.Layers[l].Activation.Apply(net))];

    private ImmutableArray<LayerParameters> Parameters() =>
        [
            .. Enumerable
                .Range(0, depth)
                .Select(l => new LayerParameters([.. weights[l].SelectMany(w => w)], [.. biases[l]])),
        ];

    /// <summary>Some rows of one step on their way through the model.</summary>
    private sealed class Microbatch(ReferenceTrainer trainer, int[] rows)
    {
        private readonly double[][][] y = new double[trainer.depth + 1][][]; // [layer, 0 = inputs][row][unit]
        private readonly double[][][] z = new double[trainer.depth][][];
        private readonly double[][][] delta = new double[trainer.depth][][]; // [layer][row][unit]

        public void Forward()
        {
            y[0] = [.. rows.Select(row => trainer.data.Training.Inputs([row]))];
            for (var l = 0; l < trainer.depth; l++)
            {
                z[l] = [.. y[l].Select(x => trainer.Nets(l, x))];
                y[l + 1] = [.. z[l].Select(net => trainer.Activations(l, net))];
            }
        }

        public (double Loss, int Correct) Loss(int batch, double loss, int correct)
        {
            delta[^1] = new double[rows.Length][];
            for (var r = 0; r < rows.Length; r++)
            {
                var output = y[^1][r];
                var target = trainer.data.Training.Target(rows[r]);
                loss += trainer.spec.Model.Loss.Value(output, target);
                if (LossRules.IsCorrect(output, target))
                    correct++;
                delta[^1][r] = new double[output.Length];
                trainer.spec.Model.Loss.Gradient(output, target, batch, delta[^1][r]);
            }

            return (loss, correct);
        }

        public void Backward(int step)
        {
            TimesDerivative(trainer.depth - 1);
            for (var l = trainer.depth - 2; l >= 0; l--)
            {
                delta[l] = new double[rows.Length][];
                for (var r = 0; r < rows.Length; r++)
                {
                    delta[l][r] = new double[trainer.weights[l].Length];
                    for (var h = 0; h < delta[l][r].Length; h++)
                    for (var o = 0; o < trainer.weights[l + 1].Length; o++)
                        delta[l][r][h] = Math.FusedMultiplyAdd(
                            OutgoingWeight(step, l, h, o),
                            delta[l + 1][r][o],
                            delta[l][r][h]
                        );
                }

                TimesDerivative(l);
            }
        }

        // The only difference between the two update orders. During-backward allows no microbatches, so this gradient
        // is the step's.
        private double OutgoingWeight(int step, int l, int h, int o) =>
            trainer.spec.Training.Update == UpdateOrder.AfterBackward
                ? trainer.weights[l + 1][o][h]
                : trainer
                    .spec.Optimizer.At(step)
                    .Apply(trainer.weights[l + 1][o][h], WeightGradient(l + 1, o, h), [.. trainer.State(l + 1, o, h)]);

        public double WeightGradient(int l, int o, int i)
        {
            var sum = 0.0;
            for (var r = 0; r < rows.Length; r++)
                sum = Math.FusedMultiplyAdd(delta[l][r][o], y[l][r][i], sum);
            return sum;
        }

        public double BiasGradient(int l, int o)
        {
            var sum = 0.0;
            for (var r = 0; r < rows.Length; r++)
                sum += delta[l][r][o];
            return sum;
        }

        private void TimesDerivative(int l)
        {
            for (var r = 0; r < rows.Length; r++)
            for (var o = 0; o < delta[l][r].Length; o++)
                delta[l][r][o] *= trainer.spec.Model.Layers[l].Activation.Derivative(z[l][r][o], y[l + 1][r][o]);
        }
    }
}
