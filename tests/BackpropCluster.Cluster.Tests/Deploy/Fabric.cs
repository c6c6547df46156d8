using System.Globalization;
using System.Runtime.InteropServices;
using BackpropCluster.ClusterTests.Processes;

namespace BackpropCluster.ClusterTests.Deploy;

/// <summary>A network that nobody else is on: a network namespace for each container, each with a cable to a bridge in
/// one more. The machine's own network is not touched.</summary>
internal sealed class Fabric : IAsyncDisposable
{
    private const string Prefix = "backprop-";
    private const string Net = "10.201.0.";

    private static readonly (string Tool, string Package)[] Tools =
    [
        ("ip", "iproute2"),
        ("bwrap", "bubblewrap"),
        ("setpriv", "util-linux"),
    ];

    private readonly string file;
    private readonly string app;
    private readonly string? password;

    // By chance: namespaces are the whole machine's, and two runs of these tests must not meet in one. No result
    // depends on it.
    private readonly string id = $"{Prefix}{Environment.ProcessId}-{Guid.NewGuid().ToString("N")[..6]}";
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-fabric-");
    private readonly List<string> spaces = [];
    private readonly List<Child> children = [];
    private string names = "127.0.0.1 localhost\n";

    private Fabric(string file, string app, string? password) =>
        (this.file, this.app, this.password) = (file, app, password);

    /// <summary>Where .NET is installed.</summary>
    public static string DotNet { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));

    /// <summary>All that any container and any check has said.</summary>
    public string Said => string.Concat(children.Select(child => child.Output + child.Diagnostics));

    /// <summary>Skips the test where no sandbox can be made. In CI the tools have to be there; the kernel may still
    /// refuse.</summary>
    public static async Task Need()
    {
        RedisServer.Need();
        Assert.SkipUnless(OperatingSystem.IsLinux(), "containers are made of Linux' namespaces");
        foreach (var (tool, package) in Tools)
        {
            if (
                (Environment.GetEnvironmentVariable("PATH") ?? "")
                    .Split(':')
                    .Any(path => File.Exists(Path.Combine(path, tool)))
            )
                continue;
            Assert.False(
                Environment.GetEnvironmentVariable("CI") == "true",
                $"{tool} is not installed, and CI must run these tests: apt-get install {package}"
            );
            Assert.Skip($"{tool} is not installed: apt-get install {package}");
        }

        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root makes network namespaces: run the tests as root");
        var trial = new Fabric("", "", null);
        await using (trial.ConfigureAwait(false))
        {
            trial.spaces.Add(trial.id);
            var open = Directory.CreateDirectory(Path.Combine(trial.folder.FullName, "app")).FullName;
            await trial.Do("chmod", "a+x", trial.folder.FullName);
            var tried = await trial.Try(
                "bash",
                "-c",
                """
                set -e
                ip netns add "$1"
                ip -n "$1" link add bridge type bridge
                ip -n "$1" link add left type veth peer name right
                ip netns exec "$1" setpriv --reuid 1654 --regid 1654 --clear-groups \
                  bwrap --unshare-user --unshare-pid --ro-bind / / --ro-bind "$2" "$2" --ro-bind "$3" "$3" --proc /proc --dev /dev --tmpfs /tmp true
                """,
                "trial",
                trial.id,
                open,
                DotNet
            );
            Assert.SkipUnless(
                tried.ExitCode == 0,
                $"the kernel refuses namespaces here; run the tests on a machine of their own or in a privileged "
                    + $"container: {tried.Talk.Trim()}"
            );
        }
    }

    /// <summary>Lays the cables' bridge.</summary>
    /// <param name="file">The deployment, <see cref="Role.ComposeFile"/> or
    /// <see cref="Role.KubernetesFolder"/>.</param>
    /// <param name="app">The image's /app.</param>
    /// <param name="password">The store's; null for the file's own.</param>
    public static async Task<Fabric> Start(string file, string app, string? password)
    {
        var fabric = new Fabric(file, app, password);
        try
        {
            await fabric.SweepUp();
            // Others may pass through this folder, to their volumes.
            await fabric.Do("chmod", "a+x", fabric.folder.FullName);
            await File.WriteAllTextAsync(Path.Combine(fabric.folder.FullName, "nsswitch.conf"), "hosts: files\n");
            await fabric.AddSpace(fabric.id);
            await fabric.Ip(fabric.id, "link add bridge type bridge");
            await fabric.Ip(fabric.id, $"addr add {Net}1/24 dev bridge");
            await fabric.Ip(fabric.id, "link set bridge up");
            return fabric;
        }
        catch
        {
            await fabric.DisposeAsync();
            throw;
        }
    }

    /// <summary>Gives one container its place on the network; nothing runs in it yet.</summary>
    /// <param name="name">The service or the workload.</param>
    /// <param name="command">In place of a service's own.</param>
    public async Task<Container> Join(string name, string[]? command = null)
    {
        // The bridge's own namespace is the first of the list, and its address the first of the network.
        var number = spaces.Count + 1;
        var (space, address) = ($"{id}-{number}", Net + Number(number));
        await AddSpace(space);
        await Ip(space, $"link add eth0 type veth peer name to-{number} netns {id}");
        await Ip(space, $"addr add {address}/24 dev eth0");
        await Ip(space, "link set eth0 up");
        await Ip(id, $"link set to-{number} master bridge up");
        // As an engine names containers and pods, which the program shows and nobody knows before.
        var host =
            file == Role.ComposeFile
                ? Guid.NewGuid().ToString("N")[..12]
                : $"{name}-{Guid.NewGuid().ToString("N")[..5]}";
        var values = new Surroundings(password, host, address);
        var role = command is null ? Role.Read(file, name, values) : Role.OfService(name, values, command);
        var hosts = Path.Combine(folder.FullName, $"hosts-{number}");
        await File.WriteAllTextAsync(hosts, $"{names}{address} {host}\n");
        if (role.HasName)
            names += $"{address} {name}\n";
        foreach (var mount in role.Mounts.Where(m => m.Volume is not null))
            await AddVolume(mount);
        return new Container(this, space, host, address, role);
    }

    /// <summary>A sandbox as a container's engine would make it: the namespaces, the user, the files that may be
    /// written, the environment.</summary>
    public Child Sandbox(string space, string host, Role role, IEnumerable<string> command)
    {
        var (user, group) = (Number(role.User), Number(role.Group));
        List<string> arguments =
        [
            "netns",
            "exec",
            space,
            "setpriv",
            "--reuid",
            user,
            "--regid",
            group,
            .. role.FileGroup is { } files ? ["--groups", Number(files)] : (string[])["--clear-groups"],
        ];
        // Without --die-with-parent: the kernel means the thread that started it, and a thread of the pool ends when it
        // likes.
        arguments.AddRange(
            $"bwrap --new-session --unshare-user --uid {user} --gid {group} --unshare-pid --as-pid-1".Split(' ')
        );
        arguments.AddRange($"--unshare-ipc --unshare-uts --hostname {host} --proc /proc --dev /dev".Split(' '));
        arguments.AddRange(["--ro-bind", "/usr", "/usr", "--ro-bind", DotNet, DotNet]);
        foreach (var name in new[] { "bin", "sbin", "lib", "lib64" })
            arguments.AddRange(["--symlink", $"usr/{name}", $"/{name}"]);
        foreach (var mount in role.Mounts)
            arguments.AddRange(
                mount.Volume is { } volume
                    ? ["--bind", Volume(volume), mount.Path]
                    : ["--perms", mount.Mode, "--size", Number((long)mount.Mebibytes << 20), "--tmpfs", mount.Path]
            );
        if (role.IsOurs)
            arguments.AddRange(["--ro-bind", app, role.Folder]);
        arguments.AddRange([
            "--ro-bind",
            Path.Combine(folder.FullName, $"hosts-{space.Split('-')[^1]}"),
            "/etc/hosts",
            "--ro-bind",
            Path.Combine(folder.FullName, "nsswitch.conf"),
            "/etc/nsswitch.conf",
        ]);
        if (role.IsReadOnly)
            arguments.AddRange(["--remount-ro", "/"]);
        foreach (var capability in role.CapabilitiesDropped)
            arguments.AddRange(["--cap-drop", capability]);
        arguments.AddRange([
            "--clearenv",
            "--setenv",
            "PATH",
            $"{DotNet}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]);
        foreach (var (name, value) in role.Environment)
            arguments.AddRange(["--setenv", name, value]);
        return Run("ip", [.. arguments, "--chdir", role.Folder, "--", .. command]);
    }

    /// <summary>Runs a command beside the containers, as a kubelet asks.</summary>
    public Task<Ended> Beside(params string[] command) => Try("ip", ["netns", "exec", id, .. command]);

    /// <summary>A volume's folder on this machine.</summary>
    public string Volume(string name) => Path.Combine(folder.FullName, name);

    public async ValueTask DisposeAsync()
    {
        foreach (var space in spaces)
            await RemoveSpace(space);
        foreach (var child in children.ToArray())
            await child.DisposeAsync();
        folder.Delete(recursive: true);
    }

    private async Task AddVolume(Mount mount)
    {
        var path = Volume(mount.Volume!);
        if (Directory.Exists(path))
            return;
        Directory.CreateDirectory(path);
        await Do("chown", $"{mount.Owner}:{mount.Group}", path);
        await Do("chmod", mount.Mode, path);
    }

    private async Task AddSpace(string space)
    {
        spaces.Add(space);
        await Do("ip", "netns", "add", space);
        await Ip(space, "link set lo up");
    }

    private Task Ip(string space, string command) => Do("ip", ["-n", space, .. command.Split(' ')]);

    // Ends whoever is in it, too.
    private async Task RemoveSpace(string space)
    {
        var inside = (await Try("ip", "netns", "pids", space)).Output.Split(
            '\n',
            StringSplitOptions.RemoveEmptyEntries
        );
        if (inside.Length > 0)
            await Try("kill", ["-KILL", .. inside]);
        await Try("ip", "netns", "del", space);
    }

    // Namespaces outlive a test that was killed. Their names say whose they were.
    private async Task SweepUp()
    {
        foreach (
            var space in (await Try("ip", "netns", "list"))
                .Output.Split('\n')
                .Select(line => line.Split(' ')[0])
                .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
        )
            if (!Directory.Exists($"/proc/{space.Split('-')[1]}"))
                await RemoveSpace(space);
    }

    private async Task Do(string program, params string[] arguments)
    {
        var ended = await Try(program, arguments);
        Assert.True(ended.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {ended.Talk}");
    }

    private async Task<Ended> Try(string program, params string[] arguments) => await Run(program, arguments).Ends();

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private Child Run(string program, IEnumerable<string> arguments)
    {
        var child = Child.Start(program, folder.FullName, arguments);
        children.Add(child);
        return child;
    }
}
