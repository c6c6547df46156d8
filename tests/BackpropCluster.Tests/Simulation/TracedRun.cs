using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Simulation;

/// <summary>A run over the seeded carrier whose parts said what they computed in every step.</summary>
internal sealed class TracedRun
{
    private readonly ILookup<(Type Kind, int Step, Phase Phase), Observation> observations;

    public TracedRun(RunSpec spec, Granularity granularity, ulong seed = 1)
        : this(spec, Runs.BuiltIn(spec), granularity, seed) { }

    public TracedRun(RunSpec spec, Core.Data.Dataset data, Granularity granularity, ulong seed)
    {
        var carrier = new DeterministicSimulator(
            Runs.Plan(spec, data, granularity) with
            {
                Trace = new TraceSpec(int.MaxValue, 0),
            },
            data,
            DeterministicSimulator.Product,
            Disturbance.None,
            seed
        );
        Result = carrier.Run() ?? throw new InvalidOperationException(carrier.Coordinator.Failure!.Reason);
        observations = carrier.Observations.ToLookup(o => (o.GetType(), o.Key.Step, o.Key.Phase));
    }

    public TrainingResult Result { get; }

    /// <summary>Something that the shards of a layer computed forward in one step, the shards laid end to
    /// end.</summary>
    public double[] Forward(int step, int layer, Func<ShardForward, double[]> values, Phase phase = Phase.Forward) =>
        [
            .. Of<ShardForward>(step, phase)
                .Where(o => o.Shard.Layer == layer)
                .OrderBy(o => o.Shard.First)
                .SelectMany(values),
        ];

    /// <summary>The same of the backward pass.</summary>
    public double[] Backward(int step, int layer, Func<ShardBackward, double[]> values) =>
        [
            .. Of<ShardBackward>(step, Phase.Backward)
                .Where(o => o.Shard.Layer == layer)
                .OrderBy(o => o.Shard.First)
                .SelectMany(values),
        ];

    /// <summary>The same of the update that committed the step.</summary>
    public double[] Updated(int step, int layer, Func<ShardUpdated, double[]> values) =>
        [
            .. Of<ShardUpdated>(step, Phase.Backward)
                .Where(o => o.Shard.Layer == layer)
                .OrderBy(o => o.Shard.First)
                .SelectMany(values),
        ];

    public LossComputed Loss(int step) => Of<LossComputed>(step, Phase.Forward).Single();

    private IEnumerable<T> Of<T>(int step, Phase phase) => observations[(typeof(T), step, phase)].Cast<T>();
}
