using System.Reflection;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Orleans;
using Orleans.Concurrency;

namespace BackpropCluster.Tests.Wire;

/// <summary>What the bytes of one sample do not show: the numbers of all values of an enumeration, the calls between
/// silos, and the keys of a run folder's manifest.</summary>
/// <remarks>Written anew as <see cref="FrozenBytesTests"/> says, into <c>names.txt</c>.</remarks>
public sealed class FrozenNamesTests
{
    private static readonly GoldenFile Golden = new(
        "names.txt",
        "Numbers of enumerations, calls between silos, keys of manifest.json: see FrozenNamesTests.\n"
            + $"Written by: {GoldenFile.Variable}=1 dotnet test --project tests/BackpropCluster.Tests"
    );

    [Fact]
    public void EveryNumberAndNameIsTheGoldenOne()
    {
        (string Name, string Value)[] now = [.. Enumerations(), .. Calls(), Manifest()];
        Assert.True(now.Length > 20, $"only {now.Length} enumerations and interfaces were found");
        Golden.WriteIfAsked(now);
        var golden = Golden.Read();
        foreach (var name in now.Select(n => n.Name).Concat(golden.Keys).Distinct())
        {
            var (value, expected) = (
                now.FirstOrDefault(n => n.Name == name).Value ?? "nothing",
                golden.GetValueOrDefault(name, "nothing")
            );
            Assert.True(
                value == expected,
                $"{name} was '{expected}' and is '{value}': a silo or a store of this version would be misread. If "
                    + $"something was only appended, run this test once with {GoldenFile.Variable}=1 and commit "
                    + $"names.txt. Else undo it, or raise the format in {nameof(StoredBytes)} and the Version in "
                    + $"Directory.Build.props first."
            );
        }
    }

    // A sample holds one value of each; the number of any other could change without one of its bytes.
    private static IEnumerable<(string, string)> Enumerations() =>
        WireTypes
            .All.SelectMany(type => type.GetProperties(WireTypes.Members))
            .Where(property => property.IsDefined(typeof(IdAttribute)))
            .Select(property => property.PropertyType)
            .Where(type => type.IsEnum)
            .Distinct()
            .OrderBy(type => type.Name, StringComparer.Ordinal)
            .Select(type =>
                (
                    $"enum {type.Name} of {Enum.GetUnderlyingType(type).Name}",
                    string.Join(' ', Enum.GetNames(type).Select(name => $"{name}={Enum.Parse(type, name):D}"))
                )
            );

    private static IEnumerable<(string, string)> Calls() =>
        typeof(SiloSetup)
            .Assembly.GetTypes()
            .Where(type => type.IsInterface && type.IsAssignableTo(typeof(IGrain)))
            .OrderBy(WireTypes.NameOf, StringComparer.Ordinal)
            .SelectMany(type =>
                type.GetMethods()
                    .OrderBy(method => method.Name, StringComparer.Ordinal)
                    .Select(method =>
                        (
                            $"call {WireTypes.NameOf(type)} "
                                + $"{method.GetCustomAttribute<AliasAttribute>()?.Alias ?? "without an alias"}",
                            $"({string.Join(", ", method.GetParameters().Select(p => Short(p.ParameterType)))})"
                                + (
                                    method.IsDefined(typeof(OneWayAttribute))
                                        ? " is not answered"
                                        : $" is answered by {Short(method.ReturnType)}"
                                )
                        )
                    )
            );

    private static (string, string) Manifest() =>
        (
            "file manifest.json",
            string.Join(
                ' ',
                typeof(RunFolder)
                    .GetNestedType("Manifest", BindingFlags.NonPublic)!
                    .GetConstructors()[0]
                    .GetParameters()
                    .Select(p => $"{char.ToLowerInvariant(p.Name![0])}{p.Name[1..]}:{Short(p.ParameterType)}")
            )
        );

    private static string Short(Type type) =>
        type.IsGenericType
            ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<"
                + $"{string.Join(", ", type.GetGenericArguments().Select(Short))}>"
            : WireTypes.NameOf(type);
}
