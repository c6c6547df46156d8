using BackpropCluster.Cli.Learn;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>Real silos with Orleans' own test host, wired as the product wires them; each test class shares one
/// cluster.</summary>
public abstract class Silos(short count) : IAsyncLifetime
{
    private InProcessTestCluster? cluster;

    internal Recorder Recorder { get; } = new();

    /// <summary>Called in the middle of whatever a silo does, with what it just computed of a traced step.</summary>
    internal Action<Observation>? Heard { get; set; }

    public InProcessTestCluster Cluster => cluster ?? throw new InvalidOperationException("the silos are not started");

    public IGrainFactory Grains => Cluster.Client;

    /// <summary>Where all silos of these tests keep their runs; gone with the machine's temporary files.</summary>
    private static readonly string Folder = Directory.CreateTempSubdirectory("backprop-silos-").FullName;

    public async ValueTask InitializeAsync()
    {
        var builder = new InProcessTestClusterBuilder(count);
        builder.ConfigureSilo(
            (_, silo) =>
            {
                silo.Services.AddSingleton<ITrainingObserver>(new Listening(this));
                silo.Services.AddSingleton<TableReader>(data => Tables.Read(data));
                silo.Services.AddCheckpointFolder(Folder);
                silo.AddBackprop();
            }
        );
        cluster = builder.Build();
        await cluster.DeployAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
            await cluster.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private sealed class Listening(Silos silos) : ITrainingObserver
    {
        public void Observe(Observation observation)
        {
            silos.Recorder.Observe(observation);
            silos.Heard?.Invoke(observation);
        }
    }
}

public sealed class OneSilo() : Silos(1);

public sealed class TwoSilos() : Silos(2);

public sealed class ThreeSilos() : Silos(3);

/// <summary>The data of these tests: what is built in, and made-up rows of seven features in the place of iris, and the
/// rows of PyTorch's cases.</summary>
internal static class Tables
{
    public static Table Read(Core.DataSpec data) =>
        data.Csv is { } oracle ? OptimizerOracle.Cases().Single(c => c.Name == oracle.File).Table()
        : data.Source == DataSource.Iris ? Runs.SevenFeatures()
        : BuiltInData.Read(data.Source);

    public static Dataset Open(Core.RunSpec spec) =>
        Dataset.Prepare(Read(spec.Data), spec.Data, spec.Seed, spec.Model.Layers[^1].Units);

    /// <summary>A plan whose run id no other test has.</summary>
    public static RunPlan Plan(Core.RunSpec spec, Granularity granularity, string test) =>
        Runs.Plan(spec, Open(spec), granularity) with
        {
            Run = $"{test}-{spec.Name}-{Interlocked.Increment(ref runs)}",
        };

    private static int runs;
}
