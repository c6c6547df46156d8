using BackpropCluster.Core.Learning;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.ClusterTests;

/// <summary>A run that could not begin is begun by whoever asks next.</summary>
public sealed class BeginningTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-beginning-");

    public void Dispose() => folder.Delete(recursive: true);

    /// <summary>The store is back for the client, and not yet for the coordinator's silo.</summary>
    [Fact]
    public async Task AStoreThatDoesNotAnswerTwiceDelaysTheBeginning()
    {
        var failures = 0;
        var plan = SavedRuns.PlanOf("delayed", seed: 11);
        var storage = new FailingFolder(
            folder.FullName,
            name => name == $"{plan.Run}/checkpoints/run" && failures < 2 && ++failures > 0,
            new TimeoutException("no answer")
        );
        await using var cluster = SavedRuns.Silo(storage, keepsRuns: true);
        await cluster.DeployAsync(TestContext.Current.CancellationToken);
        var outcome = await TrainingClient.Train(
            cluster.Client,
            plan,
            TimeSpan.FromSeconds(20),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Equal(2, failures);
        // The reference knows no store, no grain and no retry; what it is itself held to are PyTorch's numbers.
        Assert.Equal(
            ReferenceTrainer.Train(plan.Spec, Runs.BuiltIn(plan.Spec)).WeightsSha256,
            outcome.Result?.WeightsSha256
        );
    }
}
