using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Data;

namespace BackpropCluster.Tests.Data;

/// <summary>What a silo trains on is what the run's plan names, and nothing is kept that no run needs.</summary>
public sealed class DataCatalogTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-catalog-");
    private readonly DataCatalog catalog;
    private int readings;

    public DataCatalogTests() =>
        catalog = new DataCatalog(data =>
        {
            readings++;
            return DataFiles.Read(data);
        });

    private string Rows => Path.Combine(folder.FullName, "rows.csv");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void AnEditedFileIsReadAnewForTheRunThatBeganAfterwards()
    {
        var before = catalog.Open(Plan(firstValue: 1));
        var after = catalog.Open(Plan(firstValue: 5));
        Assert.Equal((1.0, 5.0), (before.Training.Input(0, 0), after.Training.Input(0, 0)));
    }

    [Fact]
    public void OtherRowsThanThePlansAreRefusedAndTheFileIsNamed()
    {
        var plan = Plan(firstValue: 1);
        Write(firstValue: 5);
        Assert.Contains(Rows, Assert.Throws<DataException>(() => catalog.Open(plan)).Message, StringComparison.Ordinal);
    }

    /// <summary>The hash is of all that lies in the file, also far behind what is unpacked from it.</summary>
    [Fact]
    public void OneByteBehindTheLastPackedRowIsAnotherFile()
    {
        Write(firstValue: 1);
        using (var packed = File.Create(Rows + ".gz"))
        {
            using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
                gzip.Write(File.ReadAllBytes(Rows));
            packed.Write(new byte[3 << 20]);
        }

        var plan = PlanOf(ReadOf("rows.csv.gz"));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Rows + ".gz"))), plan.DataSha256);
        using (var file = File.OpenWrite(Rows + ".gz"))
        {
            file.Seek(-1, SeekOrigin.End);
            file.WriteByte(1);
        }

        Assert.Throws<DataException>(() => catalog.Open(plan));
    }

    [Fact]
    public void RunsThatDifferInBatchMicrobatchesAndShuffleShareOneDataSet()
    {
        Write(firstValue: 1);
        string[][] sets =
        [
            ["data.batch=1"],
            ["data.batch=2"],
            ["data.batch=4", "data.microbatches=2"],
            ["data.batch=2", "data.shuffle=false"],
            ["seed=8"],
        ];
        var opened = sets.Select(set => catalog.Open(PlanOf(Read(set)))).ToList();
        Assert.All(opened, data => Assert.Same(opened[0], data));
        Assert.Equal(1, readings);
    }

    /// <summary>The other side: what changes a row, its target, its scale or its place is another data set.</summary>
    [Fact]
    public void RunsThatDifferInWhatTheyReadShareNothing()
    {
        Write(firstValue: 1);
        string[][] sets =
        [
            [],
            ["data.scale=minmax"],
            ["data.test=0.5"],
            ["data.test=0.5", "seed=8"],
            ["data.target=a"],
            ["data.header=false", "data.target=1", "data.file=bare.csv"],
        ];
        File.WriteAllText(Path.Combine(folder.FullName, "bare.csv"), "1,1\n2,0\n");
        var opened = sets.Select(set => catalog.Open(PlanOf(Read(set)))).ToList();
        Assert.Equal(sets.Length, opened.Distinct().Count());
    }

    [Fact]
    public void ADataSetThatNoRunHoldsIsLetGo()
    {
        var plan = Plan(firstValue: 1);
        var data = Opened(plan);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(data.IsAlive, "the rows are still held, and nobody needs them");
        Assert.Equal(1.0, catalog.Open(plan).Training.Input(0, 0));
        Assert.Equal(2, readings);
    }

    [Fact]
    public void AFileThatCouldNotBeReadOnceIsReadTheNextTime()
    {
        var plan = Plan(firstValue: 1);
        File.Move(Rows, Rows + ".away");
        Assert.Throws<DataException>(() => catalog.Open(plan));
        File.Move(Rows + ".away", Rows);
        Assert.Equal(1.0, catalog.Open(plan).Training.Input(0, 0));
    }

    /// <summary>Source and Loss come at the same time: neither may read a second copy.</summary>
    [Fact]
    public void ManyThatOpenAtOnceReadOnce()
    {
        var plan = Plan(firstValue: 1);
        var opened = new Dataset[16];
        Parallel.For(0, opened.Length, i => opened[i] = catalog.Open(plan));
        Assert.All(opened, data => Assert.Same(opened[0], data));
        Assert.Equal(1, readings);
    }

    // On a frame of its own, which is gone when the collector looks.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference Opened(RunPlan plan) => new(catalog.Open(plan));

    private RunPlan Plan(double firstValue)
    {
        Write(firstValue);
        return PlanOf(Read());
    }

    private void Write(double firstValue) =>
        File.WriteAllText(Rows, FormattableString.Invariant($"a,t\n{firstValue},1\n2,0\n3,1\n4,0\n"));

    private RunFile Read(params string[] sets) => ReadOf("rows.csv", sets);

    private RunFile ReadOf(string file, params string[] sets) =>
        RunFile.Read(
            Path.Combine(folder.FullName, "r.yaml"),
            $"version: 1\ndata: {{ source: csv, file: {file}, target: t }}\nmodel: {{ layers: [ {{ units: 1, "
                + $"activation: identity }} ], loss: mean_squared_error }}\noptimizer: {{ kind: sgd, learning_rate: "
                + $"0.1 }}\ntraining: {{ epochs: 1 }}\n",
            sets
        );

    private static RunPlan PlanOf(RunFile file) => Planner.Plan("catalog", file, Planner.Load(file));
}
