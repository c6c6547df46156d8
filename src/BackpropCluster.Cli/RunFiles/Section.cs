namespace BackpropCluster.Cli.RunFiles;

/// <summary>A group of keys that have been read, for errors about values that do not fit each other.</summary>
/// <param name="map">The keys.</param>
/// <param name="path">Where the group hangs, such as "data."; empty for the whole file.</param>
internal sealed class Section(MapNode map, string path = "")
{
    public Section Group(string key) => new(Value(key) as MapNode ?? new MapNode(map.Place, []), $"{path}{key}.");

    public Section Item(string key, int index) =>
        new((MapNode)((ListNode)Value(key)!).Items[index], $"{path}{key}[{index}].");

    public bool Has(string key) => Value(key) is not null;

    public string? Text(string key) => (Value(key) as ScalarNode)?.Text;

    /// <summary>Where a key's value stands; the group itself where it is missing.</summary>
    public Place PlaceOf(string key) => Value(key)?.Place ?? map.Place;

    public RunFileException Wrong(string key, string what, string cure) =>
        new($"{path}{key}: {what}", PlaceOf(key), cure);

    private Node? Value(string key) => map.Find(key)?.Value;
}
