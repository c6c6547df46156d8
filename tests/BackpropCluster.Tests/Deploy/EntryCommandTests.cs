using BackpropCluster.Cli;

namespace BackpropCluster.Tests.Deploy;

/// <summary>The program understands every command line with which the deployment's files start it.</summary>
public sealed class EntryCommandTests
{
    public static TheoryData<string> Places() => [.. EntryCommands.All.Select(command => command.Where)];

    [Theory, MemberData(nameof(Places))]
    public void EachIsUnderstood(string where)
    {
        var arguments = EntryCommands.All.First(command => command.Where == where).Arguments;
        var parsed = Program.Root().Parse(arguments);
        Assert.True(
            parsed.Errors.Count == 0,
            $"{where}: '{string.Join(' ', arguments)}': {string.Join(" ", parsed.Errors.Select(e => e.Message))}"
        );
        // A word that no option takes would be an argument or an error; a variable that nobody replaced would be
        // neither.
        Assert.DoesNotContain(arguments, argument => argument.Contains('$', StringComparison.Ordinal));
    }

    [Fact]
    public void SilosAndTrainingsAreStartedInBothWays()
    {
        var verbs = EntryCommands
            .All.Where(c => !c.Where.StartsWith("deploy/README.md", StringComparison.Ordinal))
            .Select(c => (c.Where.Split(' ')[0], c.Arguments[0]))
            .ToHashSet();
        Assert.Equal(5, verbs.Count);
        foreach (var file in new[] { "docker-compose.yml", "deploy/kubernetes" })
        foreach (var verb in new[] { "silo", "train" })
            Assert.Contains((file, verb), verbs);
    }

    /// <summary>A client and its silos must mean the same store.</summary>
    [Fact]
    public void NoEntryCommandNamesAnotherCluster() =>
        Assert.All(
            EntryCommands.All.Where(c => c.Arguments[0] is "silo" or "train"),
            c => Assert.Matches(@"^redis://:[A-Za-z0-9-]+@redis:6379/0$", DeployFiles.After("--cluster", c.Arguments))
        );
}
