using System.Collections.Immutable;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Silos;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Storage;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>Two small runs of one shape, 2-4-1, that one real silo has trained and saved at steps 2, 4 and 6, and the
/// files that it left.</summary>
public sealed class SavedRuns : IAsyncLifetime
{
    private const int Block = 4096;
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-saved-");
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();

    internal RunPlan Plan { get; private set; } = PlanOf("small", seed: 7);

    internal RunPlan Other { get; private set; } = PlanOf("other", seed: 8);

    internal string Folder => folder.FullName;

    /// <summary>The files of both runs, by the names of their records.</summary>
    internal ImmutableDictionary<string, byte[]> Files { get; private set; } =
        ImmutableDictionary<string, byte[]>.Empty;

    /// <summary>The same after 4,100 more steps, whose scores fill a record of their own.</summary>
    internal ImmutableDictionary<string, byte[]> LongFiles { get; private set; } =
        ImmutableDictionary<string, byte[]>.Empty;

    /// <summary>What each whole checkpoint holds.</summary>
    internal Dictionary<CheckpointId, Truth> Known { get; } = [];

    internal static RunPlan PlanOf(string run, ulong seed)
    {
        var spec = new RunSpec
        {
            Name = run,
            Seed = seed,
            Data = new DataSpec { Source = DataSource.Xor, Batch = 4 },
            Model = new ModelSpec
            {
                Layers = [Runs.Layer(4, Activation.Tanh), Runs.Layer(1, Activation.Logistic)],
                Loss = LossKind.HalfSquaredError,
            },
            Optimizer = OptimizerSpec.Defaults(OptimizerKind.Adam, 0.05),
            Training = new TrainingSpec { Epochs = 6 },
        };
        return Runs.Plan(spec, Runs.BuiltIn(spec), Granularity.Layer) with
        {
            Run = run,
            Fingerprint = seed,
            Checkpoints = new CheckpointRule(2, TimeSpan.Zero),
        };
    }

    /// <param name="storage">Where it keeps checkpoints.</param>
    /// <param name="keepsRuns">Whether runs belong to it, as to the silos of a cluster.</param>
    internal static InProcessTestCluster Silo(IGrainStorage storage, bool keepsRuns = false)
    {
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo(
            (_, silo) =>
            {
                silo.Services.AddCheckpoints(_ => storage);
                silo.Services.AddSingleton(
                    storage as IRunNames ?? new InMemoryGrainStorage(ImmutableDictionary<string, byte[]>.Empty)
                );
                silo.AddBackprop();
                if (keepsRuns)
                    silo.AddRuns();
            }
        );
        return builder.Build();
    }

    internal CheckpointStore Store(IGrainStorage storage) => new(Records(storage));

    internal SealedRecords Records(IGrainStorage storage) => new(storage, services.GetRequiredService<Serializer>());

    public async ValueTask InitializeAsync()
    {
        await using (var cluster = Silo(new FolderStorage(Folder)))
        {
            await cluster.DeployAsync();
            foreach (var plan in new[] { Plan, Other })
                Assert.NotNull((await TrainingClient.Train(cluster.Client, plan, TimeSpan.FromSeconds(20))).Result);
        }

        Files = Read();
        await Learn(new InMemoryGrainStorage(Files));
        var storage = new FolderStorage(Folder);
        await SaveLonger(storage);
        LongFiles = Read();
        await Learn(storage);
        foreach (var (name, bytes) in Files)
            await File.WriteAllBytesAsync(Path.Combine(Folder, name), bytes);
    }

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        folder.Delete(recursive: true);
    }

    /// <summary>Puts the files of both runs into a folder.</summary>
    internal void Restore(DirectoryInfo target)
    {
        foreach (var (name, bytes) in Files)
        {
            var path = Path.Combine(target.FullName, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }
    }

    /// <summary>The parts of a checkpoint, to be saved again.</summary>
    internal async Task<ImmutableArray<SaveShard>> Actors(CheckpointId id, int version, int term)
    {
        var records = Records(new InMemoryGrainStorage(Files));
        var parts = ImmutableArray.CreateBuilder<SaveShard>();
        foreach (var shard in Enumerable.Range(1, Plan.Depth).SelectMany(layer => Plan.ShardsOf(layer)))
        {
            var record = await records.Read(
                $"{Plan.Run}/checkpoints/step-{id.Version}-term-{id.Term}/layer-{shard.Layer}-part-{shard.Index}"
            );
            parts.Add(
                new SaveShard(
                    new MessageKey(Plan.Fingerprint, term, version, Phase.Save, 0, ActorId.Coordinator, default),
                    shard,
                    records.Open<ShardSnapshot>(record)
                )
            );
        }

        return parts.ToImmutable();
    }

    /// <summary>Saves so many steps after the newest checkpoint as fill a record of scores; what is saved again has the
    /// same scores.</summary>
    private async Task SaveLonger(IGrainStorage storage)
    {
        var store = Store(storage);
        var (term, id, checkpoint, _) = await store.Lead(Plan);
        var version = checkpoint!.Version + Block + 4;
        var digests = ImmutableArray.CreateBuilder<string>();
        foreach (var part in await Actors(id!, version, term))
            digests.Add(await store.Save(Plan.Run, part));
        await store.CommitCheckpoint(
            Plan,
            term,
            checkpoint with
            {
                Version = version,
                Parts = digests.ToImmutable(),
                Losses =
                [
                    .. checkpoint.Losses,
                    .. Enumerable.Range(0, Block + 4).Select(s => new BatchMetrics(1.0 / (s + 1), null, 4)),
                ],
            }
        );
    }

    private async Task Learn(IGrainStorage storage)
    {
        var store = Store(storage);
        foreach (var id in (await store.List(Plan.Run))!.Value.Ids)
            Known[id] = new Truth(
                HashOf(await store.Load(Plan, id)),
                (await store.ReadCheckpoint(Plan.Run, id)).Losses
            );
    }

    internal static string HashOf(SavedModel model) =>
        WeightsHash.Sha256(
            model.Layers.SelectMany(l => new[] { (l.Weights, l.Biases), (l.WeightsState, l.BiasesState) })
        );

    private ImmutableDictionary<string, byte[]> Read() =>
        Directory
            .EnumerateFiles(Folder, "*", SearchOption.AllDirectories)
            .Where(f => !f.EndsWith(".lock", StringComparison.Ordinal))
            .ToImmutableDictionary(f => Path.GetRelativePath(Folder, f), File.ReadAllBytes);

    /// <param name="Sha256">Over all parameters and the optimizer's state.</param>
    /// <param name="Losses">Since the first step.</param>
    internal sealed record Truth(string Sha256, ImmutableArray<BatchMetrics> Losses);
}
