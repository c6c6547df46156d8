using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Protocol;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace BackpropCluster.Grains;

/// <summary>What Source, slice and Loss grains have in common: a machine, an outbox, and what happens when the machine throws.</summary>
internal sealed class PartShell(PartState state, GrainOutbox outbox, ILogger logger)
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
                outbox.Route(restore.Plan, restore.Placement);
            }

            state.Receive(message, outbox);
        }
        catch (Exception e)
        {
            logger.LogError(e, "{Part} failed at {Key}", state.Id, message.Key);
            outbox.Send(Recipients.Coordinator, new Failure(message.Key with { From = state.Id }, FailureKind.Defect, $"{state.Id}: {e.GetType().Name}: {e.Message}"));
        }
    }
}

/// <summary>Makes shells: the services of a silo that parts need.</summary>
internal sealed class PartShells(
    IGrainFactory grains, ILocalSiloDetails silo, Traffic traffic, ITrainingObserver observer, DataCatalog data, ILoggerFactory loggers)
{
    public DataCatalog Data => data;

    public PartShell Create(PartState state, string key) => new(state, CreateOutbox(PartKeys.RunOf(key)), loggers.CreateLogger<PartShell>());

    public GrainOutbox CreateOutbox(string run) => new(grains, run, silo.SiloAddress.ToParsableString(), traffic, observer);
}
