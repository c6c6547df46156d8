using System.Collections;
using System.Globalization;
using System.Reflection;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Silos;
using Orleans;
using Orleans.Serialization.Codecs;

namespace BackpropCluster.Tests.Wire;

/// <summary>The types of this program that can be written to a wire or a store, and what is written of them, found by
/// reflection.</summary>
internal static class WireTypes
{
    public const BindingFlags Members = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    public static IReadOnlyList<Assembly> Assemblies { get; } = [typeof(Message).Assembly, typeof(SiloSetup).Assembly];

    /// <summary>Every concrete type with a generated or a written codec.</summary>
    public static IReadOnlyList<Type> All { get; } =
    [
        .. Assemblies
            .SelectMany(assembly => assembly.GetTypes())
            .SelectMany(type => IsSerialized(type) ? [type] : WrittenBy(type))
            .Distinct()
            .OrderBy(NameOf, StringComparer.Ordinal),
    ];

    /// <summary>What stands for a type in the bytes: its alias, which stays when the type is renamed. A type with a
    /// codec of its own stands only where no name is needed.</summary>
    public static string NameOf(Type type) =>
        type.GetCustomAttribute<AliasAttribute>(inherit: false)?.Alias ?? type.Name;

    /// <summary>What is written of an object, by name, in the order of the ids.</summary>
    public static IEnumerable<(string Name, Type Type, object? Value)> MembersOf(object value) =>
        value
            .GetType()
            .GetProperties(Members)
            .Select(property => (Property: property, Id: property.GetCustomAttribute<IdAttribute>()?.Id))
            .Where(member => member.Id is not null)
            .OrderBy(member => member.Id)
            .ThenBy(member => member.Property.Name, StringComparer.Ordinal)
            .Select(member => (member.Property.Name, member.Property.PropertyType, member.Property.GetValue(value)));

    /// <summary>Everything that is written of an object, as a text: equal for equal objects, since records compare
    /// arrays by reference.</summary>
    public static string Describe(object? value) =>
        value switch
        {
            null => "null",
            string text => $"\"{text}\"",
            double number => BitConverter.DoubleToInt64Bits(number).ToString("x16", CultureInfo.InvariantCulture),
            Payload p => $"{p.Units} × {p.Rows}: {Describe(p.Values)}",
            Exception e => $"{e.GetType().Name}: {e.Message}",
            _ when IsSerialized(value.GetType()) => value.GetType().Name
                + $"({string.Join(", ", MembersOf(value).Select(m => $"{m.Name} = {Describe(m.Value)}"))})",
            IEnumerable items => $"[{string.Join(", ", items.Cast<object?>().Select(Describe))}]",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };

    private static bool IsSerialized(Type type) =>
        !type.IsAbstract && type.IsDefined(typeof(GenerateSerializerAttribute), inherit: false);

    private static IEnumerable<Type> WrittenBy(Type codec) =>
        codec.IsDefined(typeof(RegisterSerializerAttribute), inherit: false)
            ? codec
                .GetInterfaces()
                .Where(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IFieldCodec<>))
                .Select(i => i.GetGenericArguments()[0])
            : [];
}
