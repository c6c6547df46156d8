using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>The invariants can fail.</summary>
public class InvariantTests
{
    private static readonly MessageKey Key = new(42, 3, 5, Phase.Forward, 0, ActorId.Source, default);

    [Fact]
    public void ASumTakesOneTermAndOneStep()
    {
        Invariants.OneStepPerSum(Key, term: 3, version: 4);
        Invariants.OneStepPerSum(Key with { Phase = Phase.Evaluate }, term: 3, version: 5);
        Assert.Throws<InvariantViolationException>(() => Invariants.OneStepPerSum(Key, term: 2, version: 4));
        Assert.Throws<InvariantViolationException>(() => Invariants.OneStepPerSum(Key, term: 3, version: 5));
    }

    [Fact]
    public void AVersionGrowsByExactlyOne()
    {
        Invariants.VersionGrowsByOne(4, 5);
        Assert.Throws<InvariantViolationException>(() => Invariants.VersionGrowsByOne(4, 6));
        Assert.Throws<InvariantViolationException>(() => Invariants.VersionGrowsByOne(4, 4));
    }

    [Fact]
    public void NothingIncompleteIsApplied()
    {
        Invariants.CompleteBeforeUpdate(complete: true, 1);
        Assert.Throws<InvariantViolationException>(() => Invariants.CompleteBeforeUpdate(complete: false, 1));
    }

    // The checks themselves are right; what follows shows that the machines ask them: each of these breaks a rule that
    // only they notice.
    [Fact]
    public void ALossThatTakesAMessageOfAnotherStepIsStopped()
    {
        var letters = new TestMessages(Plan);
        var loss = new LossOfAnotherStep();
        var outbox = new RecordingOutbox();
        loss.Receive(letters.Restore() with { Loaded = new LoadedState(null, Runs.BuiltIn(Plan.Spec)) }, outbox);
        Assert.Throws<InvariantViolationException>(() =>
            loss.Receive(letters.Activation(1, ActorId.Shard(2, 0), 0.5), outbox)
        );
    }

    [Fact]
    public void AnExchangeThatGathersAMessageOfAnotherStepIsStopped()
    {
        var letters = new TestMessages(Plan);
        var exchange = new ExchangeOfAnotherStep("a");
        var outbox = new RecordingOutbox();
        exchange.Receive(letters.Restore() with { Loaded = new LoadedState(null, null) }, outbox);
        Assert.Throws<InvariantViolationException>(() =>
            exchange.Receive(letters.Activation(1, ActorId.Shard(1, 0), 0.5), outbox)
        );
    }

    [Fact]
    public void AVersionThatGrowsWithinItsCommitIsStopped()
    {
        var letters = new TestMessages(Plan);
        var loss = new LossThatCommitsTwice();
        var outbox = new RecordingOutbox();
        loss.Receive(letters.Restore() with { Loaded = new LoadedState(null, Runs.BuiltIn(Plan.Spec)) }, outbox);
        Assert.Throws<InvariantViolationException>(() => loss.Receive(letters.Advance(2), outbox));
    }

    [Fact]
    public void AnUpdateThatTookEffectBeforeItsCommitIsStopped()
    {
        var letters = new TestMessages(Plan);
        var shard = new ShardThatCommitsAtOnce(ActorId.Shard(2, 0));
        var outbox = new RecordingOutbox();
        shard.Receive(letters.Restore(), outbox);
        foreach (var message in (Message[])[letters.Advance(1), letters.Hidden(1), letters.Slopes(1)])
            shard.Receive(message, outbox);
        shard.CommitNow();
        Assert.Throws<InvariantViolationException>(() => shard.Receive(letters.Advance(2), outbox));
    }

    private static RunPlan Plan { get; } =
        Runs.Mazur(10, UpdateOrder.AfterBackward) is var spec
            ? Runs.Plan(spec, Runs.BuiltIn(spec), Granularity.Neuron)
            : null!;

    private static Message Later(Message message) =>
        message with
        {
            Key = message.Key with { Step = message.Key.Step + 1 },
        };

    private sealed class LossOfAnotherStep : LossActor
    {
        protected override void Handle(Message message, IOutbox outbox) => base.Handle(Later(message), outbox);
    }

    private sealed class ExchangeOfAnotherStep(string silo) : Exchange(silo)
    {
        protected override void Handle(Message message, IOutbox outbox) => base.Handle(Later(message), outbox);
    }

    private sealed class LossThatCommitsTwice : LossActor
    {
        private bool again;

        protected override bool TryCommit(IOutbox outbox)
        {
            var first = !again;
            again = true;
            if (first)
                Receive(
                    new Advance(
                        new MessageKey(
                            Plan.Fingerprint,
                            Term,
                            Version + 2,
                            Phase.Forward,
                            0,
                            ActorId.Coordinator,
                            default
                        )
                    ),
                    outbox
                );
            return base.TryCommit(outbox);
        }
    }

    private sealed class ShardThatCommitsAtOnce(ActorId id) : ShardActor(id)
    {
        private DenseShard? shard;

        public void CommitNow() => shard!.Commit();

        protected override void PreActivations(DenseShard own, InputBuffer inputs, MessageKey key, double[] z) =>
            base.PreActivations(shard = own, inputs, key, z);
    }
}
