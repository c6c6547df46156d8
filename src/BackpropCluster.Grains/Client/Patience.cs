using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Client;

/// <summary>How long a client goes on asking a cluster that does not answer, and whom it tells.</summary>
/// <remarks>A run outlives the loss of any silo, and of all of them once they are started again. Its client must not
/// end before it does.</remarks>
/// <param name="bound">How long nobody may answer.</param>
/// <param name="say">Told once when nobody answers, and once when somebody does again.</param>
public sealed class Patience(TimeSpan bound, Action<string>? say = null)
{
    // Whoever interrupts waits for the run to be saved, which nobody can promise while nobody answers.
    private static readonly TimeSpan InterruptedBound = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Quietly = TimeSpan.FromSeconds(3);

    private long? since;
    private bool isSaid;

    /// <summary>Two minutes: all silos of a cluster may have to be started again, and a store may have to read what it
    /// held.</summary>
    public static TimeSpan Usual { get; } = TimeSpan.FromMinutes(2);

    /// <summary>Whether an exception says that a question found nobody, so that it may be asked again.</summary>
    public static bool IsMeant(Exception e) => e is OrleansException or TimeoutException or StoreUnreachableException;

    /// <summary>Somebody answered.</summary>
    public void Heard()
    {
        if (isSaid)
            say?.Invoke("a silo answers again; the run is followed");
        (since, isSaid) = (null, false);
    }

    /// <summary>Nobody did.</summary>
    /// <param name="run">The run that was asked after.</param>
    /// <param name="why">What the question ended with; <see langword="null"/> where a silo answered that it leads no
    /// such run.</param>
    /// <param name="cancellation">Whether the client is to end.</param>
    /// <exception cref="ClusterLostException">Not since the bound.</exception>
    /// <exception cref="OperationCanceledException">The client is to end, and has waited long enough for the run to be
    /// saved.</exception>
    internal void Unheard(string run, Exception? why, CancellationToken cancellation)
    {
        var began = since ??= TimeProvider.System.GetTimestamp();
        var waited = TimeProvider.System.GetElapsedTime(began);
        if (waited > InterruptedBound)
            cancellation.ThrowIfCancellationRequested();
        var what = why switch
        {
            null => "no silo leads it",
            StoreUnreachableException => "the store does not answer its silos",
            _ => "no silo answers",
        };
        if (waited > bound)
            throw new ClusterLostException(
                $"run {run}: {what}, for {bound.TotalSeconds:0} s now. What was saved is kept. When its silos are "
                    + $"back, go on with train --resume {run}."
            );
        // One that is lost is done without in some seconds, which needs no word.
        if (isSaid || waited <= Quietly)
            return;
        isSaid = true;
        say?.Invoke($"run {run}: {what}; looking for one that does for up to {bound.TotalSeconds:0} s");
    }
}

/// <summary>The cluster is lost to its client.</summary>
public sealed class ClusterLostException(string message) : Exception(message);
