using System.Collections.Immutable;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Simulation;

namespace BackpropCluster.Tests.Protocol;

/// <summary>A coordinator and the answers that its exchanges would give.</summary>
internal sealed class CoordinatorHarness
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly MemoryStore store;

    private CoordinatorHarness(
        RunSpec spec,
        ImmutableArray<string> silos,
        CheckpointRule? checkpoints = null,
        string? own = null,
        MemoryStore? store = null
    )
    {
        this.store = store ?? new TrustingStore();
        var data = Runs.BuiltIn(spec);
        Plan = Runs.Plan(spec, data, Granularity.Neuron);
        if (checkpoints is not null)
            Plan = Plan with { Checkpoints = checkpoints };
        Coordinator = new CoordinatorActor(Plan, term: 0, own ?? silos[0], silos, Deadline);
        Outbox.Store = message => this.store.Receive(message, new StoreAnswers(Coordinator, Outbox));
        Coordinator.Start(Outbox);
    }

    public RunPlan Plan { get; }

    public CoordinatorActor Coordinator { get; }

    public RecordingOutbox Outbox { get; } = new();

    /// <summary>The tutorial for two rounds with an evaluation at the end: the first Restore is out.</summary>
    public static CoordinatorHarness Started(int rounds = 2, params ImmutableArray<string> silos) =>
        new(Runs.Mazur(rounds, UpdateOrder.AfterBackward), silos.IsDefaultOrEmpty ? ["a", "b", "c"] : silos);

    /// <summary>The tutorial, saved at each step, led from a silo that need not be one of those that may hold
    /// parts.</summary>
    public static CoordinatorHarness From(string own, params ImmutableArray<string> silos)
    {
        var run = new CoordinatorHarness(
            Runs.Mazur(10, UpdateOrder.AfterBackward),
            silos,
            new CheckpointRule(1, TimeSpan.Zero),
            own
        );
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        return run;
    }

    /// <summary>The same run, led anew by another silo.</summary>
    public CoordinatorHarness LedFrom(string own, params ImmutableArray<string> silos) =>
        new(Plan.Spec, silos, Plan.Checkpoints, own, store);

    /// <summary>The tutorial with so many steps committed and the next one begun.</summary>
    public static CoordinatorHarness After(int steps, int rounds = 10)
    {
        var run = Started(rounds);
        run.AnswerRestored();
        for (var step = 1; step <= steps; step++)
            run.CompleteStep(step);
        run.Outbox.Sent.Clear();
        return run;
    }

    /// <summary>The tutorial, saved at each step, with the first one committed: its parts are asked to save.</summary>
    public static CoordinatorHarness Saving()
    {
        var run = new CoordinatorHarness(
            Runs.Mazur(10, UpdateOrder.AfterBackward),
            ["a"],
            new CheckpointRule(1, TimeSpan.Zero)
        );
        run.Coordinator.Tick(TimeSpan.Zero, run.Outbox);
        run.AnswerRestored();
        run.CompleteStep(1);
        return run;
    }

    /// <summary>Four flowers of iris held out and the rest one batch: an epoch is one step and ends with an
    /// evaluation.</summary>
    public static CoordinatorHarness EvaluatingEachEpoch(int epochs)
    {
        var spec = Runs.Uneven(batch: 146, epochs: epochs);
        var run = new CoordinatorHarness(spec with { Data = spec.Data with { Test = 4.0 / 150 } }, ["a"]);
        run.AnswerRestored();
        return run;
    }

    public MessageKey Key(int step, Phase phase, ActorId from) =>
        new(Plan.Fingerprint, Coordinator.Term, step, phase, 0, from, default);

    public void Receive(Message message) => Coordinator.Receive(message, Outbox);

    public void AnswerRestored()
    {
        foreach (var exchange in Exchanges(_ => true))
            Receive(new Restored(Key(1, Phase.Forward, exchange)));
    }

    public void AnswerReady(int step)
    {
        foreach (var exchange in Exchanges(actor => actor.Kind == ActorRole.Shard))
            Receive(new Ready(Key(step, Phase.Backward, exchange)));
    }

    /// <summary>Those of the silos that hold such actors; fixed while the answers change the placement.</summary>
    public IReadOnlyList<ActorId> Exchanges(Func<ActorId, bool> isMeant) =>
        [.. Coordinator.Placement!.SilosThatHold(Plan, isMeant).Select(silo => ActorId.Exchange(silo))];

    public void ReportLoss(int step, double loss) =>
        Receive(new Report(Key(step, Phase.Forward, ActorId.Loss), new BatchMetrics(loss, null, 1)));

    public void ReportEvaluation(int version, double loss) =>
        Receive(new Report(Key(version, Phase.Evaluate, ActorId.Loss), new BatchMetrics(loss, null, 1)));

    /// <summary>Every shard says that its part of a version is written.</summary>
    public void AnswerSaved(int version)
    {
        foreach (var part in Plan.Actors.Where(p => p.Kind == ActorRole.Shard))
            Receive(new Saved(Key(version, Phase.Save, ActorId.Store), [new SavedShard(part, "written", 0, 0)]));
    }

    /// <summary>Loss 1/step.</summary>
    public void CompleteStep(int step)
    {
        AnswerReady(step);
        ReportLoss(step, 1.0 / step);
    }

    /// <summary>Loads whatever counts: the parts that are said to be written here are not.</summary>
    private sealed class TrustingStore : MemoryStore
    {
        public override bool CanOpen(RunPlan plan, CheckpointId id) => true;
    }

    /// <summary>Hands the store's answers to the coordinator.</summary>
    private sealed class StoreAnswers(CoordinatorActor coordinator, IOutbox outbox) : IOutbox
    {
        public void Send(Recipients to, Message message) => coordinator.Receive(message, outbox);

        public void Observe(Observation observation) => throw new InvalidOperationException("a store observes nothing");
    }
}
