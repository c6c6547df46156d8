using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace BackpropCluster.Grains;

/// <summary>What Source, slice and Loss grains have in common: a machine, an outbox, and what happens when the machine throws.</summary>
internal sealed class PartShell(PartState state, PartShells shells, GrainOutbox outbox, StoreShell store, ILogger logger)
{
    public PartState State => state;

    public GrainOutbox Outbox => outbox;

    /// <summary>Hands a message to the machine.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "A one-way call's exception is seen by nobody: whatever it is must end the run, or it would hang until the deadline, five times.")]
    public void Take(Message message)
    {
        try
        {
            if (message is Restore restore)
            {
                // The placement hint came along; what this part sends would carry it on, and every message of the run after that
                // would copy it: two fifths of the message rate.
                RequestContext.Remove(IPlacementDirector.PlacementHintKey);
                var routes = shells.RoutesOf(restore);
                outbox.Route(routes);
                // A Restore that came from another silo brought a plan of its own; one for all is enough.
                message = restore with { Plan = routes.Plan, Placement = routes.Placement };
            }

            state.Receive(message, outbox);
        }
        catch (Exception e)
        {
            logger.LogError(e, "{Part} failed at {Key}", state.Id, message.Key);
            outbox.Send(Recipients.Coordinator, new Failure(message.Key with { From = state.Id }, FailureKind.Defect, $"{state.Id}: {e.GetType().Name}: {e.Message}"));
        }
    }

    /// <summary>Hands a Restore to the machine when the checkpoint that it names is in memory.</summary>
    public void TakeWithModel(Restore restore)
    {
        if (restore.From is null) Take(restore);
        else _ = LoadAndTake(restore, restore.From);
    }

    // Awaits within the grain: its other messages run meanwhile, and none of the new term can be among them, since Restore is a barrier.
    private async Task LoadAndTake(Restore restore, CheckpointId from)
    {
        try
        {
            var model = await store.Load(restore.Plan, from);
            Take(restore);
            GC.KeepAlive(model); // until here: the machine asks for it again, and the cache holds it only weakly
        }
        catch (Exception e) when (e is BrokenCheckpointException or IOException or UnauthorizedAccessException)
        {
            // It was whole when the coordinator chose it. Asked again, the store will find the one before.
            logger.LogWarning(e, "{Part} cannot load the checkpoint of step {Step}", state.Id, from.Version);
            outbox.Send(Recipients.Coordinator, new NeedRestore(restore.Key with { From = state.Id }));
        }
    }
}

/// <summary>Makes shells: the services of a silo that parts need.</summary>
internal sealed class PartShells(
    IGrainFactory grains, ILocalSiloDetails silo, Traffic traffic, ITrainingObserver observer, DataCatalog data, StoreShell store, ILoggerFactory loggers)
{
    private readonly ConcurrentDictionary<string, (int Term, Lazy<Routes> Routes)> routes = new();

    public DataCatalog Data => data;

    /// <summary>Who stands where in the term of a Restore; made once for all parts of this silo.</summary>
    public Routes RoutesOf(Restore restore) => routes.AddOrUpdate(
        restore.Plan.Run,
        _ => (restore.Key.Term, Make(restore)),
        (_, known) => known.Term == restore.Key.Term && known.Routes.Value.Plan.Fingerprint == restore.Key.Run ? known : (restore.Key.Term, Make(restore))).Routes.Value;

    private Lazy<Routes> Make(Restore restore) => new(() => new Routes(grains, restore.Plan, restore.Placement, silo.SiloAddress.ToParsableString()));

    /// <summary>The model of a checkpoint that a shell has loaded already.</summary>
    public SavedModel OpenCheckpoint(RunPlan plan, CheckpointId id) => store.Load(plan, id).GetAwaiter().GetResult();

    public PartShell Create(PartState state, string key) => new(state, this, CreateOutbox(PartKeys.RunOf(key)), store, loggers.CreateLogger<PartShell>());

    public GrainOutbox CreateOutbox(string run) => new(grains, run, traffic, observer, store);
}
