using System.Collections.Immutable;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>A coordinator whose silos answer at once, and the tracer beside it; its clock is the test's.</summary>
internal sealed class CoordinatorHarness : IOutbox
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);
    private readonly List<List<TraceSpan>> written = [];

    public CoordinatorHarness(RunPlan plan, int silos)
    {
        Plan = plan;
        Tracer = new StepTracer(plan, () => Now);
        State = new CoordinatorActor(
            plan,
            0,
            "silo-1",
            [.. Enumerable.Range(1, silos).Select(i => $"silo-{i}")],
            Deadline
        );
        State.Start(this);
    }

    public RunPlan Plan { get; }

    public CoordinatorActor State { get; }

    public StepTracer Tracer { get; }

    /// <summary>Nanoseconds since 1970.</summary>
    public long Now { get; set; } = TraceClock.Now;

    /// <summary>The Advance of the step at work, with its trace.</summary>
    public MessageKey Step { get; private set; }

    /// <summary>Commits the step at work; the next one begins.</summary>
    public void Commit()
    {
        var key = Step;
        State.Receive(new Report(key with { From = ActorId.Loss }, new BatchMetrics(0.25, null, 1)), this);
        for (var silo = 0; silo < State.Placement!.Silos.Length; silo++)
            State.Receive(new Ready(key with { From = ActorId.Exchange(silo) }), this);
        Assert.True(State.Step == key.Step + 1, $"step {key.Step} was not committed");
    }

    /// <summary>A part asks for Restore: all begin again, in a higher term.</summary>
    public void Recover() => State.Receive(new NeedRestore(Step with { From = ActorId.Exchange(0) }), this);

    /// <summary>What a silo tells of a step: by its own tracer, fed as its parts feed it.</summary>
    public StepSpans Tell(int silo, MessageKey key)
    {
        StepSpans? told = null;
        var tracer = new SiloTracer(
            $"silo-{silo + 1}",
            spans => told = told is null ? spans : throw new InvalidOperationException("told twice")
        );
        ImmutableArray<ActorId> parts = [.. State.Placement!.ActorsOn(Plan, silo)];
        tracer.Route(Plan, parts);
        tracer.Begin(key);
        var microbatches = Enumerable.Range(0, Plan.Spec.Data.Microbatches).ToList();
        foreach (var phase in (Phase[])[Phase.Forward, Phase.Backward])
        foreach (var microbatch in microbatches)
        foreach (var part in parts)
            if (Observed(key with { From = part, Microbatch = microbatch, Phase = phase }) is { } observation)
                tracer.OnObservation(observation, TraceClock.Now);
        foreach (var part in parts.Where(p => p.Kind == ActorRole.Shard))
            tracer.OnObservation(new ShardUpdated(key with { From = part }, ShardOf(part), [], []), TraceClock.Now);
        return told ?? throw new InvalidOperationException($"silo {silo + 1} told nothing");
    }

    /// <summary>What has been written when all that is pending is.</summary>
    public IReadOnlyList<List<TraceSpan>> Finish()
    {
        Tracer.Finish(
            State,
            spans =>
            {
                lock (written)
                    written.Add([.. spans]);
            }
        );
        Assert.True(
            SpinWait.SpinUntil(() => Tracer.IsWritten, Bound),
            $"the traces were not written within {Bound.TotalSeconds} s"
        );
        lock (written)
            return [.. written];
    }

    void IOutbox.Send(Recipients to, Message message)
    {
        switch (message)
        {
            case AcquireLeadership lead:
                State.Receive(new LeadershipGranted(lead.Key with { Term = lead.Key.Term + 1 }, null, null, []), this);
                break;
            case Restore restore:
                for (var silo = 0; silo < restore.Placement.Silos.Length; silo++)
                    State.Receive(new Restored(restore.Key with { From = ActorId.Exchange(silo) }), this);
                break;
            case Advance advance:
                Step = advance.Key.Trace.IsSampled
                    ? advance.Key with
                    {
                        Trace = Tracer.Begin(advance.Key),
                    }
                    : advance.Key;
                break;
        }
    }

    void IOutbox.Observe(Observation observation)
    {
        // What the coordinator says of the run is RunTelemetry's.
    }

    private Observation? Observed(MessageKey key) =>
        (key.From.Kind, key.Phase) switch
        {
            (ActorRole.Shard, Phase.Forward) => new ShardForward(key, ShardOf(key.From), 1, [], [], [], [], []),
            (ActorRole.Shard, _) => new ShardBackward(key, ShardOf(key.From), 1, [], [], [], [], []),
            (ActorRole.Loss, Phase.Forward) => new LossComputed(key, 1, [], [], []),
            _ => null,
        };

    private ShardRange ShardOf(ActorId part) => Plan.ShardsOf(part.Layer)[part.Index];
}
