using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains;

/// <summary>What Source, slice and Loss grains have in common: a machine, an outbox, and what happens when the machine throws.</summary>
internal sealed class PartShell(PartState state, PartOutbox outbox, ILogger logger)
{
    private bool traced;

    public PartState State => state;

    public IOutbox Outbox => outbox;

    /// <summary>Hands a message to the machine.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "A one-way call's exception is seen by nobody: whatever it is must end the run, or it would hang until the deadline, five times.")]
    public void Take(Message message)
    {
        try
        {
            if (message is Restore restore) outbox.Route(restore.Plan);
            // Of the message after a traced one too: with it the update of a traced step is applied.
            outbox.TurnBegan = traced || message.Key.Trace.IsSampled ? TraceClock.Now : 0;
            traced = message.Key.Trace.IsSampled;
            state.Receive(message, outbox);
        }
        catch (DataException e)
        {
            // The rows that its relay had opened for it were let go, and cannot be read any more: this silo's fault, not the run's.
            outbox.Refuse(message, e);
        }
        catch (Exception e)
        {
            logger.LogError(e, "{Part} failed at {Key}", state.Id, message.Key);
            outbox.Send(Recipients.Coordinator, new Failure(message.Key with { From = state.Id }, FailureKind.Defect, $"{state.Id}: {e.GetType().Name}: {e.Message}"));
        }
    }
}

/// <summary>Delivers what a part says: to the store of its silo, or to its relay, which knows who else it is for.</summary>
internal sealed class PartOutbox(string run, RelayShells relays, ITrainingObserver observer, StoreShell store) : IOutbox
{
    private RelayShell relay = relays.Of(run);
    private RunPlan? plan;

    /// <summary>Learns the run, with each Restore. Its relay may be a new one: a run that was let go may come back.</summary>
    public void Route(RunPlan to) => (plan, relay) = (to, relays.Of(run));

    public void Send(Recipients to, Message message)
    {
        if (to.Kind == RecipientKind.Store) store.Take(plan ?? throw new InvariantViolationException("a part saves before its first Restore"), message, this);
        else relay.Take(message);
    }

    /// <summary>When the turn at work began, where a trace is recorded.</summary>
    public long TurnBegan { get; set; }

    /// <summary>Says that this silo cannot bring the rows that a message needs.</summary>
    public void Refuse(Message message, DataException why) => relay.Refuse(message, why);

    public void Observe(Observation observation)
    {
        observer.Observe(observation);
        relay.Hear(observation, TurnBegan);
    }
}

/// <summary>Makes shells: the services of a silo that parts need.</summary>
internal sealed class PartShells(RelayShells relays, ITrainingObserver observer, DataCatalog data, StoreShell store, ILoggerFactory loggers)
{
    public DataCatalog Data => data;

    /// <summary>The model of a checkpoint that the relay has loaded already.</summary>
    public SavedModel OpenCheckpoint(RunPlan plan, CheckpointId id) => store.Load(plan, id).GetAwaiter().GetResult();

    public PartShell Create(PartState state, string key) =>
        new(state, new PartOutbox(PartKeys.RunOf(key), relays, observer, store), loggers.CreateLogger<PartShell>());
}
