namespace BackpropCluster.Cli.RunFiles;

/// <summary>A run file, or a <c>--set</c>, that says something which is not understood.</summary>
/// <param name="what">What is wrong: got and expected.</param>
/// <param name="place">Where it stands.</param>
/// <param name="cure">What to do.</param>
internal sealed class RunFileException(string what, Place place, string cure)
    : Exception($"{what} ({place}). Nothing was started. {cure}")
{
    public Place Place => place;
}

/// <summary>A place in a run file, counted from 1, or the <c>--set</c> that put the value there.</summary>
internal readonly record struct Place(string File, int Line, int Column, string? Set = null)
{
    public override string ToString() => Set is null ? $"{File}:{Line}:{Column}" : $"--set {Excerpt.Bare(Set)}";
}
