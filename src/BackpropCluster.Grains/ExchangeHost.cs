using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Telemetry;
using Microsoft.Extensions.Logging;

namespace BackpropCluster.Grains;

/// <summary>Shell of <see cref="Exchange"/>: one for each run on a silo, called by all its parts there and by its
/// grain.</summary>
/// <remarks>Thread-safe: what a part says is gathered on the part's own thread, so within a silo no message is needed
/// before the last array of a layer is in.</remarks>
internal sealed class ExchangeHost
{
    private readonly Lock gate = new();
    private readonly Exchange state;
    private readonly ExchangeOutbox outbox;
    private readonly DataCatalog data;
    private readonly StoreShell store;
    private readonly ILogger logger;
    private readonly SiloTracer tracer;

    // of the Restore at work: the cache holds it only weakly, and every shard will ask for it
    private SavedModel? model;

    // Of the Restore at work too: the catalog only remembers them, and Source and Loss will ask for them.
    private Dataset? rows;

    private readonly string silo;
    private readonly string name;

    public ExchangeHost(
        string run,
        string silo,
        string name,
        IGrainFactory grains,
        LocalCoordinators here,
        DataCatalog data,
        StoreShell store,
        ILogger logger
    )
    {
        (this.silo, this.name, this.data, this.store, this.logger) = (silo, name, data, store, logger);
        state = new Exchange(silo);
        tracer = new SiloTracer(name, spans => grains.GetGrain<ICoordinatorGrain>(run).Traced(spans));
        outbox = new ExchangeOutbox(grains, run, silo, here, tracer);
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

    /// <summary>The parts of the run on this silo.</summary>
    public ImmutableArray<ActorId> Actors
    {
        get
        {
            lock (gate)
                return state.Actors;
        }
    }

    /// <summary>Hands a message to the machine; returns at once.</summary>
    public void Receive(Message message)
    {
        if (message is Restore restore)
            _ = Prepare(restore);
        else
            Handle(message);
    }

    /// <summary>Takes what a part tells of a traced step.</summary>
    public void OnObservation(Observation observation, long turnBegan) => tracer.OnObservation(observation, turnBegan);

    /// <summary>Lets go of all parts.</summary>
    public void Release()
    {
        lock (gate)
            outbox.Release();
    }

    // What parts will need is read before they are asked to load: files and checkpoints are not read in a grain's turn.
    private async Task Prepare(Restore restore)
    {
        try
        {
            var opened = await Task.Run(() =>
                restore.Placement.NeedsRows(restore.Plan, restore.Placement.Silos.IndexOf(silo))
                    ? data.Open(restore.Plan)
                    : null
            );
            var loaded = restore.From is { } from ? await store.Load(restore.Plan, from) : null;
            lock (gate)
                (model, rows) = (loaded, opened);
            Handle(restore);
        }
        catch (Exception e) when (e is BrokenCheckpointException or IOException or UnauthorizedAccessException)
        {
            // It was whole when the coordinator chose it. Asked again, the store will find the one before.
            logger.LogWarning(e, "{Part} cannot load the checkpoint of step {Step}", state.Id, restore.From?.Version);
            outbox.Send(Recipients.Coordinator, new NeedRestore(restore.Key with { From = state.Id }));
        }
        catch (DataException e)
        {
            Refuse(restore, e);
        }
    }

    /// <summary>Tells the coordinator that this silo cannot bring the rows: others may.</summary>
    public void Refuse(Message message, DataException why) =>
        outbox.Send(
            Recipients.Coordinator,
            new Failure(message.Key with { From = state.Id }, FailureKind.Data, $"silo {name}: {why.File}: {why.What}")
            {
                Silo = silo,
            }
        );

    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "Nobody awaits a one-way message: whatever is thrown must end the run, or it would hang "
            + "until the deadline, five times."
    )]
    private void Handle(Message message)
    {
        try
        {
            lock (gate)
            {
                if (message is Restore restore && restore.Key.Term >= state.Term)
                    outbox.Route(restore);
                if (message is Advance)
                    (model, rows) = (null, null);
                if (message is Advance { Key.Trace.IsSampled: true })
                    tracer.Begin(message.Key);
                state.Receive(message, outbox);
                if (message is Restore)
                    tracer.Route(outbox.Plan!, state.Actors);
            }
        }
        catch (Exception e)
        {
            logger.LogError(e, "{Part} failed at {Key}", state.Id, message.Key);
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
