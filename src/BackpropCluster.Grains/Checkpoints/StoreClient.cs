using System.Diagnostics.CodeAnalysis;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;
using Orleans.Storage;

namespace BackpropCluster.Grains.Checkpoints;

/// <summary>What actors of one silo ask of the store, done beside their turns; each answer is a message to the
/// coordinator.</summary>
/// <param name="store">Where checkpoints are kept; <see langword="null"/> keeps none.</param>
internal sealed class StoreClient(CheckpointStore? store) : IDisposable
{
    // Snapshots that are written at once: enough to keep a disk busy, few enough that a thousand neurons do not open a
    // thousand files.
    private readonly SemaphoreSlim writers = new(8);

    /// <summary>Does what a message asks for; returns at once.</summary>
    public void Take(RunPlan plan, Message message, IOutbox outbox)
    {
        if (store is not null)
            _ = Task.Run(() => Answer(store, plan, message, outbox));
        else if (message is AcquireLeadership lead)
            outbox.Send(
                Recipients.Coordinator,
                new LeadershipGranted(lead.Key with { Term = lead.Key.Term + 1, From = ActorId.Store }, null, null, [])
            );
    }

    /// <summary>Brings the model of a checkpoint.</summary>
    public Task<SavedModel> Load(RunPlan plan, CheckpointId id) =>
        store is not null
            ? Task.Run(() => store.Load(plan, id))
            : throw new InvariantViolationException(
                $"a silo without a store was sent to the checkpoint of step {id.Version}"
            );

    public void Dispose() => writers.Dispose();

    [SuppressMessage(
        "Design",
        "CA1031",
        Justification = "Whatever the store throws, its asker must hear of it: nobody awaits this task."
    )]
    private async Task Answer(CheckpointStore known, RunPlan plan, Message message, IOutbox outbox)
    {
        var key = message.Key with { From = ActorId.Store };
        try
        {
            outbox.Send(
                Recipients.Coordinator,
                message switch
                {
                    AcquireLeadership lead => await known.AcquireLeadership(lead),
                    SaveShard save => await Save(known, plan, save),
                    CommitCheckpoint move => await MoveHead(known, plan, move),
                    _ => throw new InvariantViolationException($"the store takes no {message.GetType().Name}"),
                }
            );
        }
        catch (InconsistentStateException e)
        {
            outbox.Send(Recipients.Coordinator, new StoreFailed(key, StoreFault.Fenced, e.Message));
        }
        catch (RunTakenException e)
        {
            outbox.Send(Recipients.Coordinator, new StoreFailed(key, StoreFault.Fenced, e.Message));
        }
        catch (Exception e) when (StoreUnreachableException.IsMeant(e))
        {
            outbox.Send(Recipients.Coordinator, new StoreFailed(key, StoreFault.Unavailable, StoreReason.Of(e)));
        }
        catch (Exception e)
        {
            outbox.Send(Recipients.Coordinator, new StoreFailed(key, StoreFault.Refused, e.Message.TrimEnd('.')));
        }
    }

    private async Task<Message> Save(CheckpointStore known, RunPlan plan, SaveShard save)
    {
        await writers.WaitAsync();
        try
        {
            return new Saved(
                save.Key,
                [
                    new SavedShard(
                        save.Key.From,
                        await known.Save(plan.Run, save),
                        save.Part.Parameters.WeightsSum,
                        save.Part.Parameters.OutgoingSum
                    ),
                ]
            );
        }
        finally
        {
            writers.Release();
        }
    }

    private static async Task<Message> MoveHead(CheckpointStore known, RunPlan plan, CommitCheckpoint move)
    {
        await known.CommitCheckpoint(plan, move.Key.Term, move.Checkpoint);
        return new CheckpointCommitted(move.Key with { From = ActorId.Store });
    }
}
