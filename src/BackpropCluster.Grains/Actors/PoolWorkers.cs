using System.Runtime.ExceptionServices;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Grains.Actors;

/// <summary>The cores of this process that no grain needs, lent to one computation after the other.</summary>
/// <remarks>A piece is never waited for before it has begun: whoever asked works through all that nobody has taken. So
/// the helpers stand in the pool's queue behind the grains that are there, and cost nothing when they come too
/// late.</remarks>
internal sealed class PoolWorkers(int cores) : IWorkers
{
    private int lent;

    /// <summary>One for the process: silos in it share its cores.</summary>
    public static PoolWorkers Shared { get; } = new(Environment.ProcessorCount);

    /// <summary>One where work of other grains is waiting: it takes the next free core.</summary>
    public int Free => ThreadPool.PendingWorkItemCount > 0 ? 1 : Math.Max(1, cores - Volatile.Read(ref lent));

    public void Run(int pieces, Action<int> work)
    {
        var job = new Job(this, pieces, work);
        for (var helper = 1; helper < Math.Min(pieces, cores); helper++)
        {
            Interlocked.Increment(ref lent);
            ThreadPool.UnsafeQueueUserWorkItem(job, preferLocal: false);
        }

        job.Work();
        job.Wait();
    }

    private sealed class Job(PoolWorkers workers, int pieces, Action<int> work) : IThreadPoolWorkItem
    {
        private int taken;
        private int done;
        private Exception? failure;

        public void Execute()
        {
            Work();
            Interlocked.Decrement(ref workers.lent);
        }

        [System.Diagnostics.CodeAnalysis.SuppressMessage(
            "Design",
            "CA1031",
            Justification = "It is thrown again where the work was asked for; here it would end the process."
        )]
        public void Work()
        {
            while (Interlocked.Increment(ref taken) - 1 is var piece && piece < pieces)
            {
                try
                {
                    work(piece);
                }
                catch (Exception e)
                {
                    Interlocked.CompareExchange(ref failure, e, null);
                }

                Interlocked.Increment(ref done);
            }
        }

        /// <summary>Until the pieces that others have taken are done: microseconds, so the thread stays
        /// awake.</summary>
        public void Wait()
        {
            var spin = new SpinWait();
            while (Volatile.Read(ref done) < pieces)
                spin.SpinOnce(sleep1Threshold: -1);
            if (failure is not null)
                ExceptionDispatchInfo.Throw(failure);
        }
    }
}
