using System.Text.RegularExpressions;
using Orleans.Configuration;

namespace BackpropCluster.Tests.Repository;

/// <summary>Nothing waits for another party without a bound: each await is for this project's own code, whose awaits
/// are looked at themselves, or for something that is listed here with what bounds it.</summary>
public sealed partial class BoundedWaitTests
{
    private static readonly Dictionary<string, string> Bounded = new()
    {
        ["WaitAsync"] = "says its bound itself",
        ["WaitForNextTickAsync"] = "a timer, in a loop that counts or is cancelled",
        ["StartAsync"] = "a host: Orleans joins within MaxJoinAttemptTime, a minute here",
        ["StopAsync"] = "a host: given a token that ends after seconds",
        ["DisposeAsync"] = "lets go; hosts are stopped first",
        ["ReadStateAsync"] = "the storage: local files, or Redis with its own time-outs of five seconds",
        ["WriteStateAsync"] = "as above",
        ["ConnectAsync"] = "Redis: ConnectTimeout",
        ["PingAsync"] = "Redis: AsyncTimeout",
        ["WriteAsync"] = "a local file",
        ["FlushAsync"] = "a local file",
        ["ReadAllBytesAsync"] = "a local file",
        ["GetHosts"] = "a grain's answer: Orleans' ResponseTimeout",
        ["InvokeAsync"] = "the command itself",
        ["Run"] = "work of this process on another thread, or a grain of the bench: ResponseTimeout",
        ["WhenAny"] =
            "what ends a silo, its user's signal or the loss of its entry: it is to wait for these as long as it lives",
        ["ForEachAsync"] = "records that are deleted, whose awaits are looked at",
        ["ClearStateAsync"] = "as above",
        ["Yield"] = "the scheduler",
        ["WhenAll"] = "tasks that are each looked at where they begin",
        ["UnsafeRegister"] = "a registration: nothing is waited for",
        ["measure"] = "a turn of the bench",
        ["measureBaseline"] = "a turn of the bench",
    };

    private static readonly Dictionary<string, string> Tasks = new()
    {
        ["waking"] = "a coordinator's own begin, whose awaits are looked at",
        ["silo"] = "an object that is disposed at the end of a block",
        ["written"] = "a trace that is being written",
    };

    [Theory, InlineData("BackpropCluster.Grains"), InlineData("BackpropCluster.Cli")]
    public void EveryAwaitHasABound(string project)
    {
        var sources = RepositoryTests.Sources("src").ToList();
        var own = sources.SelectMany(s => OwnMethod().Matches(s.Text).Select(m => m.Groups[1].Value)).ToHashSet();
        var (seen, unbounded) = (0, new List<string>());
        foreach (var (path, text) in sources.Where(s => s.Path.Contains(project, StringComparison.Ordinal)))
        foreach (Match await in Await().Matches(LineComment().Replace(text, "")))
        {
            seen++;
            if (!IsBounded(await.Groups[1].Value, own))
                unbounded.Add($"{path}: {await.Groups[1].Value.Trim()}");
        }

        Assert.True(
            unbounded.Count == 0,
            $"awaits without a bound that this test knows; add WaitAsync, or list here what bounds "
                + $"them:\n{string.Join('\n', unbounded)}"
        );
        Assert.True(seen > 20, $"only {seen} awaits were found in {project}");
    }

    // What bounds the calls of grains that say no bound themselves.
    [Fact]
    public void AGrainAnswersWithinHalfAMinuteOrItsCallFails() =>
        Assert.True(
            new ClientMessagingOptions().ResponseTimeout <= TimeSpan.FromSeconds(30)
                && new SiloMessagingOptions().ResponseTimeout <= TimeSpan.FromSeconds(30)
        );

    [Theory]
    [InlineData("process.WaitForExitAsync()", false)]
    [InlineData("process.WaitForExitAsync().WaitAsync(Bound)", true)]
    [InlineData("http.GetStringAsync(url)", false)]
    [InlineData("completion.Task", false)]
    [InlineData("completion.ConfigureAwait(false)", false)]
    [InlineData("host.StopAsync(bound.Token)", true)]
    public void AnAwaitWithoutABoundIsFound(string expression, bool bounded) =>
        Assert.Equal(bounded, IsBounded(expression, []));

    private static bool IsBounded(string expression, HashSet<string> own)
    {
        if (expression.Contains(".WaitAsync(", StringComparison.Ordinal))
            return true;
        var outside = Arguments(expression).Trim();
        var awaited = Call()
            .Matches(outside)
            .Select(m => m.Groups[1].Value)
            .LastOrDefault(call => call is not ("AsTask" or "ConfigureAwait"));
        if (awaited is null)
            return Tasks.Keys.Any(t => outside.StartsWith(t, StringComparison.Ordinal));
        return own.Contains(awaited) || Bounded.ContainsKey(awaited);
    }

    // The call itself, without what stands in its parentheses: "host.StopAsync()".
    private static string Arguments(string expression)
    {
        var (depth, text) = (0, new System.Text.StringBuilder());
        foreach (var c in expression)
        {
            if (c == '(' && depth++ == 0)
                text.Append('(');
            else if (c == ')' && --depth == 0)
                text.Append(')');
            else if (depth == 0)
                text.Append(c);
            if (depth < 0 || (depth == 0 && c is ';' or ',' or '}' or '{' or '?' or ':' or ' '))
                break;
        }

        return text.ToString().TrimEnd(';', ',', '}', '{', '?', ':', ')', ' ', ']')
            + (text.ToString().Contains('(', StringComparison.Ordinal) ? ")" : "");
    }

    [GeneratedRegex(@"\bawait (?!using\b|foreach\b)((?:[^;{}]|\{[^}]*\})*)")]
    private static partial Regex Await();

    [GeneratedRegex(@"(\w+)(?:<[^()]*>)?\(")]
    private static partial Regex Call();

    [GeneratedRegex(
        @"(?:Task|ValueTask|IAsyncEnumerable)(?:<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>)?\??\s+(\w+)(?:<\w+>)?\("
    )]
    private static partial Regex OwnMethod();

    [GeneratedRegex("//.*")]
    private static partial Regex LineComment();
}
