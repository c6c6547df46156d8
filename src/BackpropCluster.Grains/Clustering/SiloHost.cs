using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace BackpropCluster.Grains.Clustering;

/// <summary>A host with a silo in it, which may be given up at any moment of its start.</summary>
/// <remarks>Orleans refuses to stop a silo that is not wholly started, and one whose start is cut off neither runs nor
/// ends. So whoever cancels waits for the start and then stops what stands; the other members see a silo that came and
/// left.</remarks>
internal sealed class SiloHost(IHost host) : IAsyncDisposable
{
    // A start that takes longer waits for somebody who does not answer; the end of the process ends it.
    private static readonly TimeSpan StartBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopBound = TimeSpan.FromSeconds(15);

    private Task? start;

    public T Get<T>()
        where T : notnull => host.Services.GetRequiredService<T>();

    /// <summary>Starts the silo; it is a member when this returns.</summary>
    /// <exception cref="OperationCanceledException">It was given up: what had started has to be disposed.</exception>
    public async Task Start(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        start = host.StartAsync(CancellationToken.None);
        await start.WaitAsync(cancellation);
    }

    /// <summary>Lets the silo leave, if it had begun to be one.</summary>
    public async Task Stop()
    {
        if (start is null)
            return;
        await start.WaitAsync(StartBound).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!start.IsCompletedSuccessfully)
            return;
        using var bound = new CancellationTokenSource(StopBound);
        await host.StopAsync(bound.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await Stop();
        // What a silo holds that neither stands nor has failed is in use by its start.
        if (start is null or { IsCompleted: true })
            host.Dispose();
    }
}
