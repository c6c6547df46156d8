using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Simulation;

/// <summary>In which order a <see cref="NaiveShard"/> adds up what its senders contribute.</summary>
internal enum SumOrder
{
    Position,
    Arrival,
}

/// <summary>A shard as one would write it without kernels and slots: keeps what arrives in a list and adds it up in
/// plain loops.</summary>
/// <remarks>One microbatch, update after the backward pass. Exists to show that the suite can tell a sum by position
/// from one by arrival.</remarks>
internal sealed class NaiveShard(ActorId id, SumOrder sumOrder) : Actor(id)
{
    private readonly List<(int Sender, Payload Values)> below = [];
    private readonly List<(int Sender, Payload Values)> above = [];
    private ShardRange range;
    private double[,] weights = new double[0, 0]; // [unit, input]
    private double[,] outgoing = new double[0, 0]; // [unit above, unit]
    private double[] biases = [];
    private double[,] y = new double[0, 0]; // [unit, row]
    private double[,]? delta; // [unit, row]

    public int Layer => range.Layer;

    public int First => range.First;

    /// <summary>W row-major and b, with the last step's update: nothing comes after it that would prove its
    /// commit.</summary>
    public LayerParameters Finish()
    {
        Update();
        return new LayerParameters([.. weights.Cast<double>()], biases);
    }

    protected override void Load(Restore restore)
    {
        var newPlan = restore.Plan;
        range = newPlan.ShardsOf(Id.Layer)[Id.Index];
        var inputs = newPlan.Spec.Model.InputsOf(range.Layer, newPlan.Features);
        weights = Initial(newPlan, range.Layer, inputs, range.First, range.Units, 0, inputs);
        var unitsAbove = range.Layer == newPlan.Depth ? 0 : newPlan.Spec.Model.Layers[range.Layer].Units;
        outgoing =
            unitsAbove == 0
                ? new double[0, 0]
                : Initial(
                    newPlan,
                    range.Layer + 1,
                    newPlan.Spec.Model.Layers[range.Layer - 1].Units,
                    0,
                    unitsAbove,
                    range.First,
                    range.Units
                );
        biases = new double[range.Units];
    }

    protected override void Handle(Message message, IOutbox outbox)
    {
        if (message is Activations x)
        {
            below.Add((x.Key.From.Index, x.Values));
            if (below.Count == SendersBelow)
                Forward(x.Key, outbox);
        }
        else if (message is Deltas d)
        {
            above.Add((d.Key.From.Index, d.Values));
            if (above.Count == SendersAbove)
                Backward(d.Key, outbox);
        }
    }

    protected override bool TryCommit(IOutbox outbox)
    {
        if (delta is null)
            return false;
        Update();
        return true;
    }

    private Activation Activation => Plan.Spec.Model.Layers[range.Layer - 1].Activation;

    private int SendersBelow => range.Layer == 1 ? 1 : Plan.ShardsOf(range.Layer - 1).Length;

    private int SendersAbove => range.Layer == Plan.Depth ? 1 : Plan.ShardsOf(range.Layer + 1).Length;

    private int FirstBelow(int sender) => range.Layer == 1 ? 0 : Plan.ShardsOf(range.Layer - 1)[sender].First;

    private int FirstAbove(int sender) => Plan.ShardsOf(range.Layer + 1)[sender].First;

    // The whole experiment: everything else is the same in both orders.
    private IEnumerable<(int Sender, Payload Values)> Ordered(List<(int Sender, Payload Values)> arrived) =>
        sumOrder == SumOrder.Arrival ? arrived : arrived.OrderBy(a => a.Sender);

    private void Forward(MessageKey key, IOutbox outbox)
    {
        var rows = below[0].Values.Rows;
        y = new double[range.Units, rows];
        for (var o = 0; o < range.Units; o++)
        for (var r = 0; r < rows; r++)
        {
            var z = biases[o];
            foreach (var (sender, x) in Ordered(below))
                for (var i = 0; i < x.Units; i++)
                    z = Math.FusedMultiplyAdd(weights[o, FirstBelow(sender) + i], x.Values[i * rows + r], z);
            y[o, r] = Phi(z);
        }

        var to = range.Layer == Plan.Depth ? Recipients.Loss : Recipients.ShardsOf(range.Layer + 1);
        outbox.Send(to, new Activations(key with { From = Id }, new Payload(range.Units, rows, [.. y.Cast<double>()])));
    }

    private void Backward(MessageKey key, IOutbox outbox)
    {
        var rows = above[0].Values.Rows;
        delta = new double[range.Units, rows];
        for (var h = 0; h < range.Units; h++)
        for (var r = 0; r < rows; r++)
            delta[h, r] = Slope(h, r, rows) * Activation.Derivative(y[h, r]);
        if (range.Layer > 1)
            outbox.Send(
                Recipients.ShardsOf(range.Layer - 1),
                new Deltas(key with { From = Id }, new Payload(range.Units, rows, [.. delta.Cast<double>()]))
            );
        outbox.Send(Recipients.Coordinator, new Ready(key with { From = Id }));
    }

    private double Slope(int h, int r, int rows)
    {
        if (range.Layer == Plan.Depth)
            return above[0].Values.Values[(range.First + h) * rows + r];
        var s = 0.0;
        foreach (var (sender, d) in Ordered(above))
            for (var o = 0; o < d.Units; o++)
                s = Math.FusedMultiplyAdd(outgoing[FirstAbove(sender) + o, h], d.Values[o * rows + r], s);
        return s;
    }

    private void Update()
    {
        var rows = delta!.GetLength(1);
        foreach (var (sender, x) in below)
            for (var i = 0; i < x.Units; i++)
            for (var o = 0; o < range.Units; o++)
                Descend(
                    ref weights[o, FirstBelow(sender) + i],
                    SumOverRows(rows, r => (delta[o, r], x.Values[i * rows + r]))
                );
        if (range.Layer < Plan.Depth)
            foreach (var (sender, d) in above)
                for (var o = 0; o < d.Units; o++)
                for (var h = 0; h < range.Units; h++)
                    Descend(
                        ref outgoing[FirstAbove(sender) + o, h],
                        SumOverRows(rows, r => (d.Values[o * rows + r], y[h, r]))
                    );
        for (var o = 0; o < range.Units; o++)
            Descend(ref biases[o], SumOverRows(rows, r => (delta[o, r], 1)));
        below.Clear();
        above.Clear();
        delta = null;
    }

    private void Descend(ref double w, double gradient) =>
        w = Math.FusedMultiplyAdd(-Plan.Spec.Optimizer.LearningRate, gradient, w);

    private double Phi(double z)
    {
        double[] value = [z];
        Activation.Apply(value, value);
        return value[0];
    }

    private static double SumOverRows(int rows, Func<int, (double A, double B)> term)
    {
        var sum = 0.0;
        for (var r = 0; r < rows; r++)
            sum = Math.FusedMultiplyAdd(term(r).A, term(r).B, sum);
        return sum;
    }

    private static double[,] Initial(
        RunPlan plan,
        int layer,
        int inputs,
        int firstUnit,
        int units,
        int firstInput,
        int count
    )
    {
        var spec = plan.Spec.Model.Layers[layer - 1];
        var w = new double[units, count];
        for (var o = 0; o < units; o++)
        for (var i = 0; i < count; i++)
            w[o, i] = spec.Init.Weight(plan.Spec.Seed, layer, spec.Units, inputs, firstUnit + o, firstInput + i);
        return w;
    }
}
