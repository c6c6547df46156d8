using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>Gathers what the actors of one silo say of traced steps, and hands each on when the last actor has said
/// all.</summary>
/// <remarks>Thread-safe: actors speak on their own threads. Two steps may be open at once: a shard tells of its update
/// when the next one has begun.</remarks>
internal sealed class SiloTracer(string silo, Action<StepSpans> handOn)
{
    private const int MostOpen = 2;
    private readonly Lock gate = new();
    private readonly List<OpenStep> open = [];
    private RollUp? rollUp;
    private RunPlan? plan;
    private int awaited;

    /// <summary>A new term: who stands here now.</summary>
    public void Route(RunPlan to, ImmutableArray<ActorId> actors)
    {
        lock (gate)
        {
            while (open.Count > 0)
                HandOn(open[0]);
            (plan, rollUp) = (to, new RollUp(to));
            var microbatches = to.Spec.Data.Microbatches;
            awaited = actors.Sum(p =>
                p.Kind switch
                {
                    ActorRole.Shard => (2 * microbatches) + 1,
                    ActorRole.Loss => microbatches,
                    _ => 0,
                }
            );
        }
    }

    /// <summary>A traced step begins, for all that this silo knows.</summary>
    public void Begin(MessageKey step)
    {
        lock (gate)
            if (rollUp is not null)
                StepOf(step, TraceClock.Now, rollUp);
    }

    /// <param name="observation">What an actor said.</param>
    /// <param name="began">When its turn began.</param>
    public void OnObservation(Observation observation, long began)
    {
        if (observation.Key.Phase == Phase.Evaluate)
            return;
        var now = TraceClock.Now;
        lock (gate)
        {
            if (plan is null || rollUp is null || awaited == 0)
                return;
            var step = StepOf(observation.Key, began == 0 ? now : began, rollUp);
            step.Hear(observation, began, now, plan);
            if (step.Heard >= awaited)
                HandOn(step);
        }
    }

    private OpenStep StepOf(MessageKey key, long now, RollUp rolls)
    {
        if (open.Find(s => s.Key.Step == key.Step && s.Key.Term == key.Term) is { } known)
            return known;
        if (open.Count == MostOpen)
            HandOn(open[0]);
        open.Add(new OpenStep(key, now, rolls));
        return open[^1];
    }

    private void HandOn(OpenStep step)
    {
        open.Remove(step);
        if (step.Heard > 0)
            handOn(new StepSpans(step.Key, silo, step.Begun, step.Spans));
    }
}

/// <summary>One traced step on one silo, as far as its parts have told.</summary>
internal sealed class OpenStep(MessageKey key, long begun, RollUp rollUp)
{
    private readonly Dictionary<(StepPhase, int Layer, int Microbatch), ShardSpan> rolled = [];
    private readonly Dictionary<(Phase, int Layer, int Microbatch), (long Began, long Came, string Last)> layers = [];
    private readonly List<ShardSpan> spans = [];

    public MessageKey Key => key;

    public long Begun => begun;

    /// <summary>How many actors have told of how many phases.</summary>
    public int Heard { get; private set; }

    public ImmutableArray<ShardSpan> Spans => [.. spans, .. rolled.Values];

    public void Hear(Observation observation, long began, long now, RunPlan plan)
    {
        var (phase, microbatch) = (observation.Key.Phase, observation.Key.Microbatch);
        switch (observation)
        {
            case GatherStarted o:
                layers[(phase, o.Key.From.Layer, microbatch)] = (now, now, "");
                break;
            case GatherCompleted o:
                var first = layers.TryGetValue((phase, o.Key.From.Layer, microbatch), out var known)
                    ? known.Began
                    : now;
                layers[(phase, o.Key.From.Layer, microbatch)] = (first, now, SpanNames.Of(plan, o.Last));
                Metrics.LayerWait.Record(
                    (now - first) / 1e9,
                    Label(phase == Phase.Backward ? StepPhase.Backward : StepPhase.Forward)
                );
                break;
            case ShardForward o:
                Add(
                    o.Shard.Layer,
                    Awaited(
                        phase,
                        o.Shard.Layer - 1,
                        Span(o, StepPhase.Forward, o.Shard, began, now) with
                        {
                            Rows = o.Rows,
                            Net = Few(o.Shard, o.Z),
                            Output = Few(o.Shard, o.Y),
                        }
                    )
                );
                break;
            case LossComputed o:
                Add(
                    0,
                    Awaited(
                        phase,
                        plan.Depth,
                        new ShardSpan(
                            StepPhase.Loss,
                            ActorId.Loss,
                            0,
                            plan.UnitsOf(ActorId.Loss),
                            microbatch,
                            began,
                            now
                        )
                        {
                            Rows = o.Rows,
                        }
                    )
                );
                break;
            case ShardBackward o:
                Add(
                    o.Shard.Layer,
                    Awaited(
                        phase,
                        o.Shard.Layer + 1,
                        Span(o, StepPhase.Backward, o.Shard, began, now) with
                        {
                            Rows = o.Rows,
                            Delta = Few(o.Shard, o.Delta),
                        }
                    )
                );
                break;
            case ShardUpdated o:
                Add(o.Shard.Layer, Span(o, StepPhase.Update, o.Shard, began, now));
                break;
        }
    }

    private static ShardSpan Span(Observation o, StepPhase phase, ShardRange shard, long began, long now) =>
        new(phase, o.Key.From, shard.First, shard.Units, o.Key.Microbatch, began, now);

    private ShardSpan Awaited(Phase phase, int from, ShardSpan span)
    {
        if (!layers.TryGetValue((phase, from, span.Microbatch), out var layer))
            return span;
        Metrics.QueueWait.Record(Math.Max(0, span.Start - layer.Came) / 1e9);
        return span with { AwaitedLast = layer.Last, Waited = layer.Came - layer.Began };
    }

    private void Add(int layer, ShardSpan span)
    {
        Heard++;
        if (span.Phase != StepPhase.Loss)
            Metrics.ShardCompute.Record((span.End - span.Start) / 1e9, Label(span.Phase));
        if (!rollUp.Has(layer))
        {
            spans.Add(span);
            return;
        }

        span = rollUp.Of(span);
        var group = (span.Phase, layer, span.Microbatch);
        rolled[group] = rolled.TryGetValue(group, out var known) ? known.With(span) : span;
    }

    private static KeyValuePair<string, object?> Label(StepPhase phase) =>
        new(
            "phase",
            phase switch
            {
                StepPhase.Forward => "forward",
                StepPhase.Backward => "backward",
                _ => "update",
            }
        );

    // Numbers of a neuron, for a few rows: a hundred of them nobody reads in a span.
    private static ImmutableArray<double> Few(ShardRange shard, double[] numbers) =>
        shard.Units == 1 && numbers.Length <= 8 ? [.. numbers] : [];
}
