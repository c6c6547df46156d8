using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using Orleans.Concurrency;

namespace BackpropCluster.Grains.Bench;

[OnSilo, KeepAlive, Reentrant]
internal sealed class BareGrain : Grain, IBareGrain
{
    private int layer;
    private IBareGrain[] neighbours = [];
    private IBareGrain[] all = [];
    private IBareGrain? driver;
    private int expected;
    private int received;
    private int running;
    private int rounds;
    private TaskCompletionSource finished = new();

    public ValueTask Prepare(string bench, int[] layers, string[] silos)
    {
        layer = int.Parse(this.GetPrimaryKeyString().Split('/')[1], CultureInfo.InvariantCulture);
        IBareGrain[] Of(int l) =>
            [
                .. Enumerable
                    .Range(0, l == 0 ? 1 : layers[l - 1])
                    .Select(i => BareFanOut.Grain(GrainFactory, bench, l, i, layers, silos)),
            ];
        driver = Of(0)[0];
        all = layer == 0 ? [.. Enumerable.Range(1, layers.Length).SelectMany(Of)] : [];

        // A shard sends y to the layer above and δ to the layer below; what the outermost layers exchange with Source,
        // Loss and coordinator is Begin and Done here.
        neighbours =
            layer == 0 ? [] : [.. layer > 1 ? Of(layer - 1) : [], .. layer < layers.Length ? Of(layer + 1) : []];
        expected = neighbours.Length;
        return ValueTask.CompletedTask;
    }

    public Task Run(int rounds)
    {
        this.rounds = rounds;
        finished = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        BeginRound();
        return finished.Task;
    }

    public void Begin(Activations message)
    {
        foreach (var neighbour in neighbours)
            neighbour.Take(message);
    }

    public void Take(Activations message)
    {
        if (++received < expected)
            return;
        received = 0;
        driver!.Done();
    }

    public void Done()
    {
        if (--running > 0)
            return;
        if (--rounds > 0)
            BeginRound();
        else
            finished.SetResult();
    }

    public ValueTask<Payload> Echo(Payload payload) => new(payload);

    public async Task<double> TimeEcho(IBareGrain other, Payload payload, int turns)
    {
        var seconds = new double[turns];
        for (var turn = 0; turn < turns; turn++)
        {
            var start = Stopwatch.GetTimestamp();
            await other.Echo(payload);
            seconds[turn] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        Array.Sort(seconds);
        return seconds[turns / 2];
    }

    private void BeginRound()
    {
        running = all.Length;
        var message = new Activations(default, new Payload(1, 32, new double[32]));
        foreach (var grain in all)
            grain.Begin(message);
    }
}
