using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains.Actors;

/// <summary>What Source, shard and Loss grains have in common: a machine, an outbox, and what happens when the machine
/// throws.</summary>
internal sealed class ActorHost(Actor state, ActorOutbox outbox, ILogger logger)
{
    private bool traced;

    public Actor State => state;

    public IOutbox Outbox => outbox;

    /// <summary>Hands a message to the machine.</summary>
    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "A one-way call's exception is seen by nobody: whatever it is must end the run, or it would "
            + "hang until the deadline, five times."
    )]
    public void Receive(Message message)
    {
        try
        {
            if (message is Restore restore)
                outbox.Route(restore.Plan);
            // Of the message after a traced one too: with it the update of a traced step is applied.
            outbox.TurnBegan = traced || message.Key.Trace.IsSampled ? TraceClock.Now : 0;
            traced = message.Key.Trace.IsSampled;
            state.Receive(message, outbox);
        }
        catch (Exception e)
        {
            logger.LogError(e, "{Actor} failed at {Key}", state.Id, message.Key);
            outbox.Send(
                Recipients.Coordinator,
                new Failure(
                    message.Key with
                    {
                        From = state.Id,
                    },
                    FailureKind.Defect,
                    $"{state.Id}: {e.GetType().Name}: {e.Message}"
                )
            );
        }
    }
}

/// <summary>Delivers what an actor says: to the store of its silo, or to its exchange, which knows who else it is
/// for.</summary>
internal sealed class ActorOutbox(string run, Exchanges exchanges, ITrainingObserver observer, StoreClient store)
    : IOutbox
{
    private ExchangeHost exchange = exchanges.Of(run);
    private RunPlan? plan;

    /// <summary>Learns the run, with each Restore. Its exchange may be a new one: a run that was let go may come
    /// back.</summary>
    public void Route(RunPlan to) => (plan, exchange) = (to, exchanges.Of(run));

    public void Send(Recipients to, Message message)
    {
        if (to.Kind == RecipientKind.Store)
            store.Take(
                plan ?? throw new InvariantViolationException("an actor saves before its first Restore"),
                message,
                this
            );
        else
            exchange.Receive(message);
    }

    /// <summary>When the turn at work began, where a trace is recorded.</summary>
    public long TurnBegan { get; set; }

    public void Observe(Observation observation)
    {
        observer.Observe(observation);
        exchange.OnObservation(observation, TurnBegan);
    }
}

/// <summary>Makes hosts: the services of a silo that actors need.</summary>
internal sealed class ActorHostFactory(
    Exchanges exchanges,
    ITrainingObserver observer,
    StoreClient store,
    ILoggerFactory loggers
)
{
    public ActorHost Create(Actor state, string key) =>
        new(
            state,
            new ActorOutbox(ActorKeys.RunOf(key), exchanges, observer, store),
            loggers.CreateLogger<ActorHost>()
        );
}
