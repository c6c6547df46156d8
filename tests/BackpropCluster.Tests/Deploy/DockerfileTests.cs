namespace BackpropCluster.Tests.Deploy;

/// <summary>The image: what it is made of, who runs in it, how it is asked about its health.</summary>
public sealed class DockerfileTests
{
    [Fact]
    public void TheImageRunsAsANumberedUserWhoIsNotRoot()
    {
        Assert.Equal("$APP_UID", DeployFiles.Instruction("USER"));
        // Nothing may follow that could be done as somebody else.
        var after = DeployFiles.Dockerfile.SkipWhile(i => i.Name != "USER").Skip(1).Select(i => i.Name).ToList();
        Assert.DoesNotContain("RUN", after);
        Assert.DoesNotContain("COPY", after);
    }

    [Fact]
    public void TheProgramIsBuiltInAStageThatIsNotShipped()
    {
        var stages = DeployFiles.Dockerfile.Where(i => i.Name == "FROM").Select(i => i.Value).ToList();
        Assert.Equal(2, stages.Count);
        Assert.StartsWith("mcr.microsoft.com/dotnet/sdk:10.0", stages[0], StringComparison.Ordinal);
        Assert.StartsWith("mcr.microsoft.com/dotnet/aspnet:10.0", stages[1], StringComparison.Ordinal);
        Assert.Contains(DeployFiles.Dockerfile, i => i is { Name: "COPY", Value: "--from=build /app ./" });
        // The lock files decide about packages, in the image as everywhere.
        Assert.Contains(
            DeployFiles.Dockerfile,
            i =>
                i.Name == "RUN"
                && i.Value.Contains(
                    "dotnet publish src/BackpropCluster.Cli -c Release -p:RestoreLockedMode=true",
                    StringComparison.Ordinal
                )
                && i.Value.EndsWith("-o /app", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void AReadOnlyRootIsEnoughForTheRuntime()
    {
        Assert.Contains("DOTNET_EnableDiagnostics=0", DeployFiles.Instruction("ENV"), StringComparison.Ordinal);
        // The one folder that a client writes to is made with its owner; a volume over it takes both.
        Assert.Contains(
            DeployFiles.Dockerfile,
            i => i is { Name: "RUN", Value: "install -d -o \"$APP_UID\" -g \"$APP_UID\" /runs" }
        );
    }

    [Fact]
    public void OnlyTheHttpPortOptionOpensAWebServer() =>
        Assert.EndsWith(" ASPNETCORE_HTTP_PORTS=", DeployFiles.Instruction("ENV"), StringComparison.Ordinal);

    [Fact]
    public void HealthIsAskedByAFileThatIsInTheImage()
    {
        var check = DeployFiles.ExecForm(DeployFiles.Instruction("HEALTHCHECK"));
        Assert.Equal(["bash", "/app/health.sh", "8080"], check);
        Assert.Equal("/app", DeployFiles.Instruction("WORKDIR"));
        Assert.Contains(
            DeployFiles.Dockerfile,
            i =>
                i.Name == "COPY"
                && i.Value.Split(' ').Contains("deploy/health.sh")
                && i.Value.EndsWith(" ./", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void TheEntryPointIsThePublishedProgramItself() =>
        // In exec form: a shell in between would swallow SIGTERM, and every stop would be a kill.
        Assert.Equal(["dotnet", "backprop.dll"], DeployFiles.ExecForm(DeployFiles.Instruction("ENTRYPOINT")));

    [Fact]
    public void EverythingThatIsCopiedExistsAndIsLetIn()
    {
        var lines = File.ReadAllLines(DeployFiles.PathOf(".dockerignore"))
            .Where(line => line.Length > 0 && line[0] != '#')
            .ToList();
        // Nothing but what is named: no history, no settings, no run folders, no outputs of another machine.
        Assert.Equal("*", lines[0]);
        Assert.Equal(
            ["**/bin", "**/obj", "**/runs"],
            lines.Where(line => line.StartsWith("**", StringComparison.Ordinal))
        );
        var letIn = lines.Where(line => line[0] == '!').Select(line => line[1..]).ToHashSet(StringComparer.Ordinal);
        var copied = DeployFiles
            .Dockerfile.Where(i => i.Name == "COPY" && !i.Value.StartsWith("--from", StringComparison.Ordinal))
            .SelectMany(i => i.Value.Split(' ')[..^1])
            .Select(path => path.TrimEnd('/'))
            .ToHashSet(StringComparer.Ordinal);
        Assert.Equal(copied.Order(StringComparer.Ordinal), letIn.Order(StringComparer.Ordinal));
        foreach (var path in copied)
            Assert.True(
                Path.Exists(DeployFiles.PathOf(path)),
                $"deploy/Dockerfile copies {path}, which does not exist"
            );
    }
}
