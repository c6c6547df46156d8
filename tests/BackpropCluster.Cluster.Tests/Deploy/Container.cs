using System.Globalization;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Deploy;

/// <summary>One container of a deployment: a place on the fabric, and in it the command of its file, as closed as the
/// file says.</summary>
internal sealed class Container(Fabric fabric, string space, string host, string address, Role role)
{
    // What a kubelet takes for success.
    private const string Get = """
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$3" "$1" "$2" >&3
        read -r -t 5 _ status _ <&3 && echo "$status" && [ "$status" -ge 200 ] && [ "$status" -lt 400 ]
        """;

    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private Child? process;

    public Role Role => role;

    public Child Process => process ?? throw new InvalidOperationException($"{host} was not started");

    /// <summary>Starts the file's command.</summary>
    /// <param name="more">Further arguments.</param>
    public void Start(params string[] more) => process = fabric.Sandbox(space, host, role, [.. role.Command, .. more]);

    /// <summary>Runs another command in the place of this container, as its user and as closed.</summary>
    public Task<Ended> Run(params string[] command) => fabric.Sandbox(space, host, role, command).Ends();

    /// <summary>Asks each of the file's checks.</summary>
    /// <returns>What the first that failed said; null if all succeeded.</returns>
    public async Task<string?> Complaint()
    {
        Assert.NotEmpty(role.Probes);
        foreach (var probe in role.Probes)
        {
            var answer = probe.Command is []
                ? await fabric.Beside("bash", "-c", Get, "get", address, Number(probe.Port), probe.Path)
                : await Run(probe.Command);
            if (answer.ExitCode != 0)
                return $"{string.Join(' ', probe.Command)}{probe.Path}: exit code {answer.ExitCode} "
                    + $"{answer.Output}{answer.Talk}";
        }

        return null;
    }

    /// <summary>Waits until all of the file's checks succeed.</summary>
    public async Task BecomesHealthy()
    {
        using var bound = new CancellationTokenSource(Bound);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(250));
        while (await Complaint() is { } complaint)
        {
            Assert.True(Process.IsRunning, $"{host} ended; it said: {Process.Output}{Process.Diagnostics}");
            Assert.False(
                bound.IsCancellationRequested,
                $"{host} was not healthy within {Bound.TotalSeconds} s: {complaint}; it said: "
                    + $"{Process.Output}{Process.Diagnostics}"
            );
            await pause.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <summary>Stops it as an engine does: SIGTERM to its first process.</summary>
    public async Task<Ended> Stop()
    {
        // bwrap passes no signal on.
        var first = (
            await File.ReadAllTextAsync($"/proc/{Number(Process.Id)}/task/{Number(Process.Id)}/children")
        ).Trim();
        Assert.True(first.Length > 0, $"{host} has ended; it said: {Process.Output}{Process.Diagnostics}");
        Child.Signal("TERM", int.Parse(first, CultureInfo.InvariantCulture));
        return await Process.Ends();
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
