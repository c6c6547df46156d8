namespace BackpropCluster.Cli.RunFiles;

/// <summary>A value of a run file with its place: YAML without anchors, tags and several documents.</summary>
internal abstract record Node(Place Place)
{
    /// <summary>What it is, for an error.</summary>
    public abstract string Kind { get; }
}

internal sealed record ScalarNode(Place Place, string Text) : Node(Place)
{
    public override string Kind => Excerpt.Of(Text);
}

internal sealed record ListNode(Place Place, List<Node> Items) : Node(Place)
{
    public override string Kind => Items.Count == 0 ? "an empty list" : "a list";
}

internal sealed record MapNode(Place Place, List<Entry> Entries) : Node(Place)
{
    public override string Kind => "a group of keys";

    public Entry? Find(string key) => Entries.Find(e => e.Key == key);
}

/// <summary>A key of a <see cref="MapNode"/>.</summary>
internal sealed record Entry(string Key, Place Place, Node Value);
