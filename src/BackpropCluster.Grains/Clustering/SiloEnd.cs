using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Hears that a silo cannot go on, which Orleans would end the process for: with a signal, a core dump and no
/// word for a person.</summary>
/// <remarks>It happens to one that slept: the others had declared it dead, and gave its actors to others, before it
/// woke up.</remarks>
internal sealed class SiloEnd : IFatalErrorHandler
{
    private readonly TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the silo is over.</summary>
    public Task Heard => heard.Task;

    /// <summary>What Orleans says of it.</summary>
    public Exception? Why { get; private set; }

    /// <summary>What this program has found out by itself.</summary>
    public string? Told { get; private set; }

    /// <summary>Ends the silo.</summary>
    /// <param name="why">Why and what remains, as the end of a sentence about it.</param>
    public void Tell(string why)
    {
        Told ??= why;
        heard.TrySetResult();
    }

    public bool IsUnexpected(Exception exception) => true;

    public void OnFatalException(object? sender = null, string? context = null, Exception? exception = null)
    {
        Why ??= exception;
        heard.TrySetResult();
    }
}
