using System.Reflection;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Bench;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>A grain can be sent to while its first turn runs.</summary>
/// <remarks>Otherwise an actor and its exchange wait for each other for ever.</remarks>
public sealed class FirstTurnTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task AnActorCanBeSentToDuringItsFirstTurn()
    {
        var turn = new FirstTurn();
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo(
            (_, silo) =>
            {
                silo.Services.AddSingleton<TableReader>(data => Tables.Read(data));
                silo.Services.AddLogging(logging => logging.AddProvider(turn));
                silo.AddBackprop();
            }
        );
        await using var cluster = builder.Build();
        await cluster.DeployAsync(TestContext.Current.CancellationToken);

        var plan = Tables.Plan(Runs.Uneven(batch: 1, epochs: 1), Granularity.Layer, "first-turn");
        var silo = cluster.Silos[0].SiloAddress.ToParsableString();
        // No run has a ninth layer here: its Restore fails, and is logged in the turn.
        var shard = cluster.Client.ShardOn(plan.Run, new ShardRange(9, 0, 0, 0), silo);
        var key = new MessageKey(plan.Fingerprint, 1, 1, Phase.Forward, 0, ActorId.Coordinator, default);
        var onSilo = cluster.GetSiloServiceProvider(cluster.Silos[0].SiloAddress).GetRequiredService<IGrainFactory>();
        turn.Meanwhile = () => onSilo.GetGrain<IActorGrain>(shard.GetGrainId()).Control(new Advance(key));
        shard.Control(new Restore(key, plan, Placement.Of(plan, [silo]), null));
        Assert.True(
            await turn.WasSent.WaitAsync(Bound, TestContext.Current.CancellationToken),
            $"nothing could be sent to a shard for {Bound.TotalSeconds / 2} s of its first turn"
        );
    }

    [Fact]
    public void EveryGrainThatTouchesAnExchangeYieldsFirst()
    {
        var grains = typeof(YieldingGrain)
            .Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(Grain)) && !type.IsAbstract)
            .ToArray();
        Assert.True(grains.Length > 5, $"{grains.Length} grains were found");
        Assert.Equal(
            [nameof(BareGrain), "ClusterGrain"],
            grains
                .Where(type => !type.IsSubclassOf(typeof(YieldingGrain)))
                .Select(type => type.Name)
                .Order(StringComparer.Ordinal)
        );
    }

    /// <summary>Does something on another thread in the middle of the turn that logs an error, and waits for it
    /// there.</summary>
    private sealed class FirstTurn : ILoggerProvider, ILogger
    {
        private readonly TaskCompletionSource<bool> sent = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Action? Meanwhile { get; set; }

        public Task<bool> WasSent => sent.Task;

        public ILogger CreateLogger(string categoryName) =>
            categoryName == typeof(ActorHost).FullName ? this : NullLogger.Instance;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (Meanwhile is not { } meanwhile || sent.Task.IsCompleted)
                return;
            var sending = Task.Run(meanwhile);
            sent.TrySetResult(Task.WaitAny([sending], Bound / 2) == 0);
        }

        public void Dispose() { }
    }
}
