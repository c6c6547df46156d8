namespace BackpropCluster.Core.Protocol;

/// <summary>What parts have sent each other.</summary>
/// <param name="Local">Logical messages within a silo: one sender's array or word to one receiver, however many an
/// exchange carried at once.</param>
/// <param name="Remote">The same between silos.</param>
/// <param name="RemoteBytes">Bytes of the arrays that crossed from one silo to another, each once.</param>
/// <param name="Crossings">How many arrays crossed: one per sender and receiving silo.</param>
[GenerateSerializer, Immutable, Alias("traffic")]
public readonly record struct Traffic(
    [property: Id(0)] long Local,
    [property: Id(1)] long Remote,
    [property: Id(2)] long RemoteBytes,
    [property: Id(3)] long Crossings
)
{
    public static Traffic operator +(Traffic a, Traffic b) =>
        new(a.Local + b.Local, a.Remote + b.Remote, a.RemoteBytes + b.RemoteBytes, a.Crossings + b.Crossings);

    public Traffic Add(Traffic other) => this + other;
}
