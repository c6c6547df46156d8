namespace BackpropCluster.Tests.Deploy;

/// <summary>The image's /app, laid out in a folder as the Dockerfile lays it out, and started as its ENTRYPOINT starts
/// it.</summary>
public sealed class PublishedProgramTests : IClassFixture<PublishedApp>
{
    private readonly PublishedApp app;

    public PublishedProgramTests(PublishedApp app) => this.app = app;

    [Fact]
    public async Task TheDefaultCommandExplainsTheProgram()
    {
        var (code, output) = await app.Start(DeployFiles.ExecForm(DeployFiles.Instruction("CMD")));
        Assert.Equal(0, code);
        Assert.Contains("train", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheExampleThatIsTrainedIsInTheImage()
    {
        var (code, output) = await app.Start(["config", "check", .. DeployFiles.Service("train").Texts("command")]);
        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task ATrainingWritesNothingOutsideItsVolume()
    {
        var before = app.Files();
        var runs = Directory.CreateTempSubdirectory("backprop-runs-");
        try
        {
            var (code, output) = await app.Start([
                "train",
                "--run-dir",
                runs.FullName,
                "--set",
                "training.epochs=1",
                .. DeployFiles.Service("train").Texts("command"),
            ]);
            Assert.True(code == 0, output);
            Assert.NotEmpty(runs.GetFiles("summary.json", SearchOption.AllDirectories));
        }
        finally
        {
            runs.Delete(recursive: true);
        }

        Assert.Equal(before, app.Files());
    }
}
