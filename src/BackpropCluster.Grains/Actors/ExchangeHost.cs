using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains.Actors;

/// <summary>Host of <see cref="Exchange"/>: one for each run on a silo, called by all its actors there and by its
/// grain.</summary>
/// <remarks>Thread-safe: what an actor says is gathered on the actor's own thread, so within a silo no message is
/// needed before the last array of a layer is in.</remarks>
internal sealed class ExchangeHost
{
    private readonly Lock gate = new();
    private readonly Exchange state;
    private readonly ExchangeOutbox outbox;
    private readonly DataCatalog data;
    private readonly StoreClient store;
    private readonly ILogger logger;
    private readonly SiloTracer tracer;

    private readonly string name;

    public ExchangeHost(
        string run,
        string silo,
        string name,
        IGrainFactory grains,
        LocalCoordinators here,
        DataCatalog data,
        StoreClient store,
        ILogger logger
    )
    {
        (this.name, this.data, this.store, this.logger) = (name, data, store, logger);
        state = new Exchange(silo);
        tracer = new SiloTracer(name, spans => grains.GetGrain<ICoordinatorGrain>(run).Traced(spans));
        outbox = new ExchangeOutbox(grains, run, silo, here, tracer, (restore, rows) => _ = Load(restore, rows));
    }

    public Traffic Traffic => TrafficByKind.Sum;

    public TrafficByKind TrafficByKind
    {
        get
        {
            lock (gate)
                return new TrafficByKind(state.OfActivations, state.OfDeltas, state.OfControlMessages);
        }
    }

    /// <summary>The actors of the run on this silo.</summary>
    public ImmutableArray<ActorId> Actors
    {
        get
        {
            lock (gate)
                return state.Actors;
        }
    }

    /// <summary>Takes what an actor tells of a traced step.</summary>
    public void OnObservation(Observation observation, long turnBegan) => tracer.OnObservation(observation, turnBegan);

    /// <summary>Lets go of all actors.</summary>
    public void Release()
    {
        lock (gate)
            outbox.Release();
    }

    // Files and checkpoints are not read in a grain's turn.
    private async Task Load(Restore restore, bool needsRows)
    {
        Loaded loaded;
        try
        {
            var rows = needsRows ? await Task.Run(() => data.Open(restore.Plan)) : null;
            loaded = new LoadedState(restore.From is { } from ? await store.Load(restore.Plan, from) : null, rows);
        }
        catch (Exception e) when (e is BrokenCheckpointException or IOException or UnauthorizedAccessException)
        {
            logger.LogWarning(e, "{Actor} cannot load the checkpoint of step {Step}", state.Id, restore.From?.Version);
            loaded = new CheckpointUnreadable();
        }
        catch (DataException e)
        {
            loaded = new RowsUnreadable($"silo {name}: {e.File}: {e.What}");
        }

        Receive(restore with { Loaded = loaded });
    }

    /// <summary>Hands a message to the machine; returns at once.</summary>
    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "Nobody awaits a one-way message: whatever is thrown must end the run, or it would hang "
            + "until the deadline, five times."
    )]
    public void Receive(Message message)
    {
        try
        {
            lock (gate)
            {
                var adopted = message is Restore restore && state.Adopts(restore) ? restore : null;
                if (adopted is not null)
                    outbox.Route(adopted);
                if (message is Advance { Key.Trace.IsSampled: true })
                    tracer.Begin(message.Key);
                state.Receive(message, outbox);
                if (adopted is not null)
                    tracer.Route(outbox.Plan!, state.Actors);
            }
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
